// What runs, how far behind it is, and what is wrong: tiles, two charts, the connectors, the latest changes.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Overview() {
  return (
    <Page title="Overview">
      <Empty title="Not built yet">What runs, how far behind it is, and what is wrong: tiles, two charts, the connectors, the latest changes.</Empty>
    </Page>
  );
}
