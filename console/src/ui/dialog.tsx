// A native dialog: focus stays in it, Esc closes it, and focus goes back to where it came from, or to the list that was in.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  title: string;
  onClose: () => void;
  children?: ComponentChildren;
  /** Buttons, the one that does it last. */
  foot?: ComponentChildren;
  wide?: boolean;
  /** On the button that closes it. */
  close?: string;
}

export function Dialog({ title, onClose, children, foot, wide, close = "Cancel" }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const from = document.activeElement;
    const own = dialog.current;
    own?.showModal();
    // Enter does what is harmless: the first field, else the button that does it, else Cancel.
    if (!document.activeElement?.matches("input, select, textarea")) {
      (own?.querySelector<HTMLElement>(".dialog-body input:not(details *)") ?? [...(own?.querySelectorAll<HTMLElement>(".dialog-foot > :enabled:not(.danger)") ?? [])].at(-1))?.focus();
    }
    return () => {
      // While it is open nothing outside of it takes the focus.
      own?.close();
      if (from instanceof HTMLElement) giveBack(from);
    };
  }, []);
  return (
    <dialog ref={dialog} class={wide ? "dialog wide" : "dialog"} aria-labelledby={id} onClose={(event) => event.currentTarget.isConnected && onClose()}>
      <h2 id={id}>{title}</h2>
      <div class="dialog-body">{children}</div>
      <div class="dialog-foot">
        <button type="button" onClick={() => dialog.current?.close()}>
          {close}
        </button>
        {foot}
      </div>
    </dialog>
  );
}

/** What was deleted takes its row along, and with it the button that asked: soon, by the list's next answer. */
const GONE_MS = 5000;

function giveBack(from: HTMLElement) {
  const list = from.closest<HTMLElement>("[role=region]");
  const watch = new MutationObserver(() => look());
  const look = () => {
    if (from.isConnected) return;
    watch.disconnect();
    if (document.activeElement === document.body) (list?.isConnected ? list : document.querySelector<HTMLElement>("main h1"))?.focus();
  };
  from.focus();
  watch.observe(document.body, { childList: true, subtree: true });
  setTimeout(() => watch.disconnect(), GONE_MS);
  look();
}
