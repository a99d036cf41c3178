// All connectors with state, lag, rate and snapshot.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Connectors() {
  return (
    <Page title="Connectors">
      <Empty title="Not built yet">All connectors with state, lag, rate and snapshot.</Empty>
    </Page>
  );
}
