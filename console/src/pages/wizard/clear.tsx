// Begins the wizard again, after asking: what was chosen is lost.

import { useState } from "preact/hooks";
import { route } from "../../app/place";
import { ui } from "../../app/paths";
import { Confirm } from "../../ui/confirm";
import { EMPTY } from "./draft";
import { draft, forget } from "./store";

export function ConfirmedClear() {
  const [asking, setAsking] = useState(false);
  const isEmpty = JSON.stringify(draft.value) === JSON.stringify(EMPTY);
  return (
    <>
      <button type="button" disabled={isEmpty} onClick={() => setAsking(true)}>
        Begin again
      </button>
      {asking && (
        <Confirm
          title="Begin again?"
          verb="Begin again"
          act={async () => forget()}
          done="The draft is thrown away"
          onClose={() => setAsking(false)}
          onDone={() => route(ui.newConnector())}
        >
          <p>All that was chosen here is lost. Nothing was made yet, neither here nor in the database.</p>
        </Confirm>
      )}
    </>
  );
}
