// Delivers a range again: of a webhook beside what is new, of the others by going back as a whole.

import { useState } from "preact/hooks";
import { useAct } from "../../api/act";
import { post, seg } from "../../api/client";
import type { Subscription } from "../../api/types";
import { told } from "../../app/toasts";
import { command } from "../../text/command";
import { count, counted } from "../../text/format";
import { placeMistake } from "../../text/places";
import { AsCommand } from "../../ui/as-command";
import { Dialog } from "../../ui/dialog";
import { Field } from "../../ui/field";
import { ProblemBox } from "../../ui/problem-box";

interface Answer {
  /** A webhook's. */
  records?: number;
  dead?: number;
  /** Where the others went back to. */
  from?: { topic: string; partition: number; offset: number }[];
}

const PLACES = ["start", "now-10m", "now-1h", "now-1d"];

export function Replay({ of, onClose, onDone }: { of: Subscription; onClose: () => void; onDone: () => void }) {
  const isWebhook = of.type === "webhook";
  const action = String(of.config["action"] ?? "");
  const [from, setFrom] = useState("now-1h");
  const [until, setUntil] = useState("");
  const [where, setWhere] = useState("");
  const [onlyFailed, setOnlyFailed] = useState(isWebhook && of.failed + of.dead > 0);
  const { busy, problem, run } = useAct();
  const path = `${seg`/v1/subscriptions/${of.name}`}/replay`;
  const body = { from, ...(until && { until }), ...(where && !onlyFailed && { where }), ...(onlyFailed && { only: "failed" }) };
  const mistakes = [placeMistake(from), until ? placeMistake(until) : undefined];
  const send = () =>
    run(async () => {
      told(said(of.name, await post<Answer>(path, body)));
      onClose();
      onDone();
    });
  const button = (
    <button type="button" class="primary" disabled={busy || mistakes.some(Boolean)} onClick={send}>
      {busy ? "…" : isWebhook ? "Send again" : "Go back"}
    </button>
  );
  const words = [`--from=${from}`, ...(until ? [`--until=${until}`] : []), ...(body.where ? ["--where", where] : []), ...(onlyFailed ? ["--failed"] : [])];
  return (
    <Dialog title={`Replay ${of.name}`} onClose={onClose} foot={button}>
      {isWebhook ? (
        <p>Sent beside what is new, with the same ids; the place stays. It ends where the subscription has read to.</p>
      ) : (
        <p>
          It goes back as a whole and delivers everything from there on again, each time in order. {count(of.lag)} records wait now; its lag grows by what is repeated.
          {(action === "publish" || action === "xadd") && <b> With action = {action} each change is told once: the service refuses a replay.</b>}
        </p>
      )}
      <Field label="From" mistake={mistakes[0]} help="start, -100, now-1h, offset:1842, 0:1842,1:77, or a time">
        {(ids) => <input {...ids} type="text" autofocus autocomplete="off" spellcheck={false} value={from} onInput={(event) => setFrom(event.currentTarget.value.trim())} />}
      </Field>
      <div class="row">
        {PLACES.map((place) => (
          <button key={place} type="button" aria-pressed={place === from} onClick={() => setFrom(place)}>
            {place}
          </button>
        ))}
      </div>
      {isWebhook && (
        <>
          <Field label="Until" mistake={mistakes[1]} help="In the same words; empty: to where it has read">
            {(ids) => <input {...ids} type="text" autocomplete="off" spellcheck={false} value={until} onInput={(event) => setUntil(event.currentTarget.value.trim())} />}
          </Field>
          <label class="row">
            <input type="checkbox" checked={onlyFailed} onChange={(event) => setOnlyFailed(event.currentTarget.checked)} />
            Only what failed: what waits is tried now, dead letters are sent again
          </label>
          {!onlyFailed && (
            <Field label="Where" help="Only changes that fit, such as op = 'u' and status = 'paid'">
              {(ids) => <input {...ids} type="text" class="mono" autocomplete="off" spellcheck={false} value={where} onInput={(event) => setWhere(event.currentTarget.value)} />}
            </Field>
          )}
        </>
      )}
      {problem && <ProblemBox problem={problem} what="Not replayed" />}
      <AsCommand line={command("rowfeed", "subscriptions", "replay", of.name, ...words)} call={{ method: "POST", path, body }} />
    </Dialog>
  );
}

function said(name: string, answer: Answer): string {
  if (answer.from) return `${name} goes back in ${counted(answer.from.length, "partition")}`;
  if (answer.dead !== undefined) return `${name}: what waits is tried now, ${counted(answer.dead, "dead letter")} sent again`;
  return `${name}: ${counted(answer.records ?? 0, "record")} looked through and sent again`;
}
