// Asks before something is lost: says what, offers the command, and for the worst wants the name typed. The outcome is told as a toast.

import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { useAct } from "../api/act";
import { told } from "../app/toasts";
import { Dialog } from "./dialog";
import { ProblemBox } from "./problem-box";

interface Props {
  title: string;
  /** What is lost, and what is kept. */
  children?: ComponentChildren;
  /** On the button: "Delete". */
  verb: string;
  danger?: boolean;
  /** To be typed before the button works. */
  type?: string;
  /** Does it; what it throws is shown in the dialog. */
  act: () => Promise<unknown>;
  /** The toast afterwards: "shop is deleted". */
  done: string;
  onClose: () => void;
  onDone?: () => void;
}

export function Confirm({ title, children, verb, danger, type, act, done, onClose, onDone }: Props) {
  const { busy, problem, run } = useAct();
  const [typed, setTyped] = useState("");
  const confirm = () =>
    run(async () => {
      await act();
      told(done);
      onClose();
      onDone?.();
    });
  const button = (
    <button type="button" class={danger ? "danger" : "primary"} disabled={type !== undefined && typed !== type} aria-disabled={busy} onClick={() => busy || confirm()}>
      {busy ? "…" : verb}
    </button>
  );
  return (
    <Dialog title={title} onClose={onClose} foot={button}>
      {children}
      {type !== undefined && (
        <label class="field">
          <span class="field-label">
            Type <code>{type}</code> to go on
          </span>
          <input type="text" autocomplete="off" spellcheck={false} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
        </label>
      )}
      {problem && <ProblemBox problem={problem} what="Not done" />}
    </Dialog>
  );
}
