// One topic: its records and live tail, schema, partitions, consumers, settings.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Topic({ topic }: { topic: string }) {
  return (
    <Page title={topic}>
      <Empty title="Not built yet">One topic: its records and live tail, schema, partitions, consumers, settings.</Empty>
    </Page>
  );
}
