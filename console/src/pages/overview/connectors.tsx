// The connectors in short, the worst first; all about them is on their own page.

import type { Connector } from "../../api/types";
import { ui } from "../../app/paths";
import { columns } from "../connectors/columns";
import { Table } from "../../ui/table";

/** Rows here; the rest is on the page of connectors. */
const SHOWN_MAX = 20;

export function Connectors({ of }: { of: readonly Connector[] }) {
  return (
    <section aria-labelledby="connectors-title">
      <div class="bar-row">
        <h2 id="connectors-title">
          <a href={ui.connectors()}>Connectors</a>
        </h2>
      </div>
      <Table
        caption="Connectors"
        rows={of}
        columns={columns(["name", "state", "lag", "rate", "snapshot"])}
        keyOf={(one) => one.name}
        sort="state"
        most={SHOWN_MAX}
      />
    </section>
  );
}
