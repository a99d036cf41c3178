// Webhooks and Redis subscriptions with lag and failures.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Subscriptions() {
  return (
    <Page title="Subscriptions">
      <Empty title="Not built yet">Webhooks and Redis subscriptions with lag and failures.</Empty>
    </Page>
  );
}
