// A native dialog: focus stays in it, Esc closes it, and focus goes back to where it came from.

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
    dialog.current?.showModal();
    return () => {
      if (from instanceof HTMLElement && from.isConnected) from.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} class={wide ? "dialog wide" : "dialog"} aria-labelledby={id} onClose={onClose}>
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
