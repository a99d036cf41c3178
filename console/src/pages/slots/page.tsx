// Replication slots, the WAL they hold, and how much time is left.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Slots() {
  return (
    <Page title="Slots">
      <Empty title="Not built yet">Replication slots, the WAL they hold, and how much time is left.</Empty>
    </Page>
  );
}
