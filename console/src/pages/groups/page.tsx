// Consumer groups and how far behind they are.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Groups() {
  return (
    <Page title="Groups">
      <Empty title="Not built yet">Consumer groups and how far behind they are.</Empty>
    </Page>
  );
}
