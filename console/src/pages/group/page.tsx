// One group: lag of each partition, members, moving its offsets.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Group({ group }: { group: string }) {
  return (
    <Page title={group}>
      <Empty title="Not built yet">One group: lag of each partition, members, moving its offsets.</Empty>
    </Page>
  );
}
