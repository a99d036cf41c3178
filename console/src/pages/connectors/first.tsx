// What stands where no connector is yet: the way to the first one, here and on the command line.

import { ui } from "../../app/paths";
import { Code } from "../../ui/code";
import { Empty } from "../../ui/empty";

export function FirstConnector() {
  return (
    <Empty
      title="No connector yet"
      actions={
        <a class="button primary" href={ui.newConnector()}>
          Connect a database
        </a>
      }
    >
      <p>A connector reads the changes of one PostgreSQL database and writes them to topics, a topic for each table.</p>
      <p>First see whether the database can be captured; nothing in it is changed by this:</p>
      <Code text="rowfeed check postgres://user@host/database" what="the command" />
      <p>Only want to look around? This starts a throwaway PostgreSQL with changes of its own:</p>
      <Code text="rowfeed demo" what="the command" />
    </Empty>
  );
}
