// "As command": the same action on the command line and with curl, so that what was clicked once can be scripted.

import { type Call, curl } from "../text/command";
import { Code } from "./code";

interface Props {
  /** The `rowfeed ...` line, where the command line has it: command("rowfeed", "connectors", "pause", name). */
  line?: string | undefined;
  /** The request. Secrets are never in it: a token is named, not shown. */
  call?: Call | undefined;
  /** Shown open. */
  open?: boolean;
  summary?: string | undefined;
}

export function AsCommand({ line, call, open, summary = "As command" }: Props) {
  return (
    <details class="as-command" open={open}>
      <summary>{summary}</summary>
      {line && <Code text={line} what="the command" />}
      {call && <Code text={curl(location.origin, call)} what="the curl line" />}
    </details>
  );
}
