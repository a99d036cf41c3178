// A control with its label, its help and its mistake, tied together for screen readers.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Ids {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
}

interface Props {
  label: string;
  help?: ComponentChildren;
  /** What is wrong with the value. */
  mistake?: string | undefined;
  /** The control: it takes these attributes. */
  children: (ids: Ids) => ComponentChildren;
}

export function Field({ label, help, mistake, children }: Props) {
  const id = useId();
  const described = [help && `${id}-help`, mistake && `${id}-mistake`].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label class="field-label" for={id}>
        {label}
      </label>
      {children({ id, "aria-describedby": described || undefined, "aria-invalid": mistake ? true : undefined })}
      {help && (
        <p class="muted" id={`${id}-help`}>
          {help}
        </p>
      )}
      {mistake && (
        <p class="say-error" id={`${id}-mistake`}>
          ✗ {mistake}
        </p>
      )}
    </div>
  );
}
