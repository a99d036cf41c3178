// Names in the database that few change: slot, publication, and who makes the publication. Opened where one of them is wrong.

import { useRef } from "preact/hooks";
import { Field } from "../../ui/field";
import { PUBLISHING, nameOf, usualNames } from "./draft";
import { change, draft } from "./store";

/** Options that have their field here. */
export const isName = (option: string): boolean => /^(slot|publication)\./.test(option);

interface Props {
  open: boolean;
  /** What is wrong, by option. */
  mistakes: ReadonlyMap<string, string>;
}

export function Names({ open, mistakes }: Props) {
  const of = draft.value;
  // Once open it stays so: what is wrong is not known while somebody types.
  const opened = useRef(open);
  opened.current ||= open;
  const usual = usualNames(nameOf(of));
  return (
    <details open={opened.current || undefined}>
      <summary>Advanced names: slot and publication</summary>
      <div class="fields">
        {(["slot", "publication"] as const).map((name) => (
          <Field key={name} label={`${name}.name`} mistake={mistakes.get(`${name}.name`)}>
            {(ids) => (
              <input
                {...ids}
                type="text"
                class="mono"
                name={`${name}.name`}
                autocomplete="off"
                spellcheck={false}
                placeholder={usual[name]}
                value={of[name]}
                onInput={(event) => change({ [name]: event.currentTarget.value.trim() })}
              />
            )}
          </Field>
        ))}
        <Field label="publication.autocreate.mode" mistake={mistakes.get("publication.autocreate.mode")}>
          {(ids) => (
            <select
              {...ids}
              name="publication.autocreate.mode"
              value={of.publishing}
              onChange={(event) => change({ publishing: event.currentTarget.value as typeof of.publishing })}
            >
              {PUBLISHING.map(([value, means]) => (
                <option key={value} value={value}>
                  {means}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
    </details>
  );
}
