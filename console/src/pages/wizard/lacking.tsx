// What a step lacks that no single field shows: told at once, and gone to; and the password that a reload takes.

import { ui } from "../../app/paths";
import { draft, password } from "./store";

/** After a reload: it is in memory alone. */
export function NoPassword() {
  if (draft.value.secret !== "typed" || password.value !== "") return null;
  return (
    <p class="say-warn">
      ▲ No password is written. If the database wants one, <a href={ui.newConnector()}>write it again in step 1</a>: it is not kept over a reload.
    </p>
  );
}

export function Lacking({ what }: { what: string | undefined }) {
  return what ? (
    <p class="say-error" role="alert" data-lacks tabIndex={-1}>
      ✗ {what}
    </p>
  ) : null;
}
