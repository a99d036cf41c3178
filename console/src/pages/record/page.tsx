// One record: what changed, as a tree, raw, headers, source; and the history of its row.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Record({ topic, partition, offset }: { topic: string; partition: string; offset: string }) {
  return (
    <Page title={`${topic} ${partition}:${offset}`}>
      <Empty title="Not built yet">One record: what changed, as a tree, raw, headers, source; and the history of its row.</Empty>
    </Page>
  );
}
