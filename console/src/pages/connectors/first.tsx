// What stands where no connector is yet: the way to the first one, here and on the command line.

import { ui } from "../../app/paths";
import { Code } from "../../ui/code";
import { Empty } from "../../ui/empty";

export function FirstConnector() {
  return (
    <Empty title="No connector yet">
      <p>A connector reads the changes of one PostgreSQL database and writes them to topics, a topic for each table. All you need is its URL.</p>
      <div>
        <a class="button primary" href={ui.newConnector()}>
          Connect a database
        </a>
      </div>
      <p>On the command line, whether a database can be captured, and what mends it:</p>
      <Code text="rowfeed check postgres://user@host/database" what="the command" />
      <p>Only want to look around? This starts a throwaway PostgreSQL with changes of its own:</p>
      <Code text="rowfeed demo" what="the command" />
    </Empty>
  );
}
