// Copies a text, and says that it did. Where the browser has no clipboard (plain HTTP from another machine) the text is selected instead.

import { useEffect, useRef, useState } from "preact/hooks";

interface Props {
  text: string;
  /** What is copied, for screen readers: "the command". */
  what?: string;
  /** On the button. */
  label?: string;
}

const SAID_MS = 2000;

export function Copy({ text, what = "", label = "Copy" }: Props) {
  const [said, setSaid] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    setSaid((await write(text)) ? "Copied" : "Select and copy it");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSaid(""), SAID_MS);
  };
  return (
    <button type="button" class="copy" onClick={copy} aria-label={said ? undefined : `${label} ${what}`.trim()}>
      <span aria-live="polite">{said || label}</span>
    </button>
  );
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "sr";
    const dialog = document.querySelector("dialog[open]") ?? document.body;
    dialog.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
