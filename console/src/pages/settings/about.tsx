// Which version this is, who is logged in, and the document for a report of a mistake.

import { useState } from "preact/hooks";
import { asProblem, send } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Status } from "../../api/types";
import { session } from "../../app/session";
import { failed, told } from "../../app/toasts";
import { ui } from "../../app/paths";
import { bytes, count, longDuration } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Facts } from "../../ui/facts";
import { Loaded } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";

const ASK_MS = 10_000;

export function About() {
  const polled = usePolled<Status>("/v1/status", ASK_MS);
  const [busy, setBusy] = useState(false);
  const who = session.value;
  const download = async () => {
    setBusy(true);
    try {
      save(await (await send("GET", "/v1/diagnostics")).blob());
      told("The diagnostics are downloaded: look through them before you send them on");
    } catch (error) {
      const problem = asProblem(error);
      failed("No diagnostics", problem.status === 404 ? Object.assign(problem, { detail: "this service does not tell them" }) : problem);
    }
    setBusy(false);
  };
  return (
    <>
      <Loaded of={polled}>
        {(status) => (
          <>
            {status.log.problem && <ProblemBox problem={status.log.problem} />}
            <Facts
              of={[
                ["Version", `${status.version} (${status.commit})`],
                ["Running for", longDuration(status.uptime_seconds * 1000)],
                ["HTTP address", <code>{status.address}</code>],
                ["Kafka address", status.kafka && <code>{status.kafka.address}</code>],
                ["Log", status.log.kind === "kafka" ? "an external Kafka cluster" : `built in, ${bytes(status.log.size_bytes)}, ${count(status.log.topics)} topics`],
                ["You are", who ? (who.auth === "token" ? `${who.name} (${who.scopes.join(", ")})` : "on a service that asks for no login") : null],
                ["Licence", "Apache-2.0"],
              ]}
            />
          </>
        )}
      </Loaded>
      <div>
        <h2>Diagnostics</h2>
        <p class="muted">One JSON document for a report of a mistake: version, settings, states, slots. No secrets, and no rows but what a server quoted in an error; names of hosts, tables and files are in it, so look through it first.</p>
        <p>
          <button type="button" disabled={busy} onClick={download}>
            {busy ? "Gathering …" : "Download diagnostics"}
          </button>
        </p>
        <AsCommand call={{ path: "/v1/diagnostics" }} />
      </div>
      <p>
        Everything this console does goes through the <a href={ui.api()}>API</a>.
      </p>
    </>
  );
}

function save(blob: Blob) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = `rowfeed-diagnostics-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.json`;
  link.click();
  URL.revokeObjectURL(address);
}
