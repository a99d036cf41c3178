// A connector in five steps: database, tables, events, snapshot, review.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Wizard() {
  return (
    <Page title="New connector">
      <Empty title="Not built yet">A connector in five steps: database, tables, events, snapshot, review.</Empty>
    </Page>
  );
}
