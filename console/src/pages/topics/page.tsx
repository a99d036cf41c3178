// All topics with records, size, rate, last change and source table.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Topics() {
  return (
    <Page title="Topics">
      <Empty title="Not built yet">All topics with records, size, rate, last change and source table.</Empty>
    </Page>
  );
}
