// One subscription: configuration, deliveries, replay, test.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Subscription({ name }: { name: string }) {
  return (
    <Page title={name}>
      <Empty title="Not built yet">One subscription: configuration, deliveries, replay, test.</Empty>
    </Page>
  );
}
