// One connector: overview, tables, snapshot, timeline, offsets and slot, configuration, check.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Connector({ name }: { name: string }) {
  return (
    <Page title={name}>
      <Empty title="Not built yet">One connector: overview, tables, snapshot, timeline, offsets and slot, configuration, check.</Empty>
    </Page>
  );
}
