// A JSON value as a tree that opens and closes. Promises that what is deep or long is drawn only when it is opened.

import { useState } from "preact/hooks";
import { digitsOf } from "../../text/exact";
import { counted } from "../../text/format";
import { Value } from "../../ui/diff";

/** Members that are drawn at once. */
const MEMBERS_MOST = 100;
/** Levels that are open at first. */
const OPEN_LEVELS = 2;

export function Tree({ of, label }: { of: unknown; label: string }) {
  return (
    <div class="tree mono">
      <Node name={label} of={of} level={0} />
    </div>
  );
}

function Node({ name, of, level }: { name: string; of: unknown; level: number }) {
  const [isOpen, setOpen] = useState(level < OPEN_LEVELS);
  const [most, setMost] = useState(MEMBERS_MOST);
  const digits = digitsOf(of);
  if (of === null || typeof of !== "object" || digits !== undefined) {
    return (
      <div class="leaf">
        <span class="muted">{name}: </span>
        {typeof of === "string" && of !== "" ? (
          <>
            "<Value of={of} />"
          </>
        ) : (
          <Value of={of} />
        )}
      </div>
    );
  }
  const isList = Array.isArray(of);
  const members = isList ? of.map((one, i) => [String(i), one] as const) : Object.entries(of);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {name} <span class="muted">{isList ? `[${counted(members.length, "element")}]` : `{${counted(members.length, "field")}}`}</span>
      </summary>
      {isOpen && (
        <div class="members">
          {members.slice(0, most).map(([one, value]) => (
            <Node key={one} name={one} of={value} level={level + 1} />
          ))}
          {members.length > most && (
            <button type="button" class="quiet" onClick={() => setMost(most + MEMBERS_MOST)}>
              {members.length - most} more
            </button>
          )}
        </div>
      )}
    </details>
  );
}
