// What stands where a list has nothing yet: what would be here, and the next step.

import type { ComponentChildren } from "preact";

interface Props {
  title: string;
  /** What would be here, and how to get it. */
  children?: ComponentChildren;
  /** Buttons and links. */
  actions?: ComponentChildren;
}

export function Empty({ title, children, actions }: Props) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children && <div class="empty-text">{children}</div>}
      {actions && <div class="row">{actions}</div>}
    </div>
  );
}
