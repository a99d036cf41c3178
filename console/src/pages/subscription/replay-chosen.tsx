// Sends chosen records again: a replay for each range of them. Promises a bounded number of requests, and that the first refusal ends it.

import { post, seg } from "../../api/client";
import type { Subscription } from "../../api/types";
import { command } from "../../text/command";
import { counted } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Confirm } from "../../ui/confirm";
import { type Range, replayOf } from "./outcomes";

/** Ranges that are asked for in a row. */
const RANGES_MAX = 20;

interface Props {
  of: Subscription;
  ranges: readonly Range[];
  records: number;
  onClose: () => void;
  onDone: () => void;
}

export function ReplayChosen({ of, ranges, records, onClose, onDone }: Props) {
  const path = `${seg`/v1/subscriptions/${of.name}`}/replay`;
  const bodies = ranges.slice(0, RANGES_MAX).map((range) => replayOf(range, of.topics.length > 1));
  const act = async () => {
    for (const body of bodies) await post(path, body);
  };
  return (
    <Confirm title={`Send ${counted(records, "record")} again?`} verb="Send again" act={act} done={`${counted(records, "record")} of ${of.name} sent again`} onClose={onClose} onDone={onDone}>
      <p>They are sent beside what is new, with the same webhook-id: a receiver that remembers ids does nothing twice.</p>
      {ranges.length > RANGES_MAX && <p class="say-warn">▲ They lie in {ranges.length} ranges; the first {RANGES_MAX} are sent. Choose the rest afterwards, or replay a range.</p>}
      {of.topics.length > 1 && <p class="muted">The subscription reads several topics: an offset that another of them does not have is refused by the service.</p>}
      {bodies.slice(0, 3).map((body) => (
        <AsCommand
          key={body.from}
          summary={`As command: ${body.from} until ${body.until}`}
          line={command("rowfeed", "subscriptions", "replay", of.name, "--from", body.from, "--until", body.until, ...("where" in body && body.where ? ["--where", body.where] : []))}
          call={{ method: "POST", path, body }}
        />
      ))}
    </Confirm>
  );
}
