// The API, readable without a network, to try from here.

import { Page } from "../../app/page";
import { Empty } from "../../ui/empty";

export default function Api() {
  return (
    <Page title="API">
      <Empty title="Not built yet">The API, readable without a network, to try from here.</Empty>
    </Page>
  );
}
