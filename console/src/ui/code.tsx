// A text to take along: monospaced, scrolled on its own, with a button that copies it.

import { Copy } from "./copy";

export function Code({ text, what = "the text", label }: { text: string; what?: string; label?: string }) {
  return (
    <div class="code">
      <pre tabIndex={0} role="group" aria-label={label ?? what}>
        <code>{text}</code>
      </pre>
      <Copy text={text} what={what} />
    </div>
  );
}
