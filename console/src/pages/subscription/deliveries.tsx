// The delivery log of a webhook: each record's last try, filtered by what became of it, opened for what was sent and answered, chosen for a replay.

import { useRef, useState } from "preact/hooks";
import { at, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Items, Subscription } from "../../api/types";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { keyText } from "../../text/diff";
import { counted, duration } from "../../text/format";
import { holds } from "../../text/search";
import { AsCommand } from "../../ui/as-command";
import { Choice } from "../../ui/choice";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Loaded } from "../../ui/loading";
import { useRowKeys } from "../../ui/table";
import { Ago, Clock } from "../../ui/time";
import { Exchange } from "./exchange";
import { type Delivery, ranges } from "./outcomes";
import { ReplayChosen } from "./replay-chosen";

const ASK_MS = 3000;
const ROWS = 100;
const ROWS_MAX = 1000;

const STATES = [
  ["", "All"],
  ["failed", "Failed"],
  ["pending", "Pending"],
  ["dead", "Dead"],
  ["delivered", "Delivered"],
] as const;

const NONE: Record<string, string> = {
  "": "Nothing was delivered since the service started: the log forgets tries with a restart. Change a row of a topic, or send a test.",
  failed: "Nothing failed: neither does a record wait for another try, nor was one given up.",
  pending: "No record waits for another try.",
  dead: "No record was given up.",
  delivered: "Nothing was delivered since the service started.",
};

const idOf = (one: Delivery) => `${one.topic} ${one.partition} ${one.offset}`;

export function Deliveries({ of }: { of: Subscription }) {
  const [state, setState] = useQuery("state");
  const [limit, setLimit] = useQuery("limit", String(ROWS));
  const [text] = useQuery("q");
  const [openRow, setOpenRow] = useQuery("open");
  const [chosen, setChosen] = useState<ReadonlyMap<string, Delivery>>(new Map());
  const [replay, setReplay] = useState(false);
  const path = at(`${seg`/v1/subscriptions/${of.name}`}/deliveries`, { state, limit: Math.min(ROWS_MAX, Number(limit) || ROWS) });
  const polled = usePolled<Items<Delivery>>(path, ASK_MS);
  const body = useRef<HTMLTableSectionElement>(null);
  useRowKeys(body);
  const choose = (one: Delivery, on: boolean) => {
    const next = new Map(chosen);
    if (on) next.set(idOf(one), one);
    else next.delete(idOf(one));
    setChosen(next);
  };
  return (
    <>
      <div class="bar-row">
        <Choice label="State" of={STATES} value={state as ""} onChange={setState} />
        <Filter label="Filter by key, topic, error" />
        <button type="button" disabled={chosen.size === 0} onClick={() => setReplay(true)}>
          Replay selected{chosen.size > 0 ? ` (${chosen.size})` : ""} …
        </button>
      </div>
      <Loaded of={polled}>
        {({ items }) => {
          const shown = items.filter((one) => holds(`${keyText(one.key)} ${one.topic} ${one.status ?? ""} ${one.error ?? ""} ${one.webhook_id}`, text));
          if (shown.length === 0) return <Empty title={text ? "None fits" : "None"}>{text ? `No delivery holds “${text}”.` : NONE[state]}</Empty>;
          return (
            <>
              <div class="table-wrap" role="region" aria-label="Deliveries" tabIndex={0}>
                <table class="log">
                  <caption class="sr">Deliveries, the newest first</caption>
                  <thead>
                    <tr>
                      <th scope="col" class="pick">
                        <span class="sr">Select</span>
                      </th>
                      <th scope="col">Time</th>
                      <th scope="col">Key</th>
                      <th scope="col">Record</th>
                      <th scope="col">Outcome</th>
                      <th scope="col" class="num">
                        Try
                      </th>
                      <th scope="col" class="num">
                        Took
                      </th>
                      <th scope="col">Next try</th>
                    </tr>
                  </thead>
                  <tbody ref={body}>
                    {shown.map((one) => (
                      <Row
                        key={idOf(one)}
                        of={one}
                        sub={of}
                        isOpen={openRow === idOf(one)}
                        onOpen={(open) => setOpenRow(open ? idOf(one) : "")}
                        isChosen={chosen.has(idOf(one))}
                        onChoose={(on) => choose(one, on)}
                      />
                    ))}
                  </tbody>
                </table>
              </div>
              <div class="row">
                {items.length >= Number(limit) && Number(limit) < ROWS_MAX && (
                  <button type="button" onClick={() => setLimit(String(ROWS_MAX))}>
                    Show all that are remembered
                  </button>
                )}
                <span class="muted">{counted(shown.length, "delivery", "deliveries")}. The log has the newest 1,000 and all that wait, since the service started.</span>
              </div>
            </>
          );
        }}
      </Loaded>
      <AsCommand line={command("rowfeed", "subscriptions", "deliveries", of.name, ...(state ? ["--state", state] : []))} call={{ path }} />
      {replay && (
        <ReplayChosen
          of={of}
          ranges={ranges([...chosen.values()])}
          records={chosen.size}
          onClose={() => setReplay(false)}
          onDone={() => {
            setChosen(new Map());
            polled.again();
          }}
        />
      )}
    </>
  );
}

interface RowProps {
  of: Delivery;
  sub: Subscription;
  isOpen: boolean;
  onOpen: (open: boolean) => void;
  isChosen: boolean;
  onChoose: (on: boolean) => void;
}

const OUTCOMES: Record<string, readonly [sign: string, tone: string, word: string]> = {
  delivered: ["●", "say-ok", "delivered"],
  waiting: ["▲", "say-warn", "failed, waits"],
  dead: ["■", "say-error", "given up"],
};

function Row({ of, sub, isOpen, onOpen, isChosen, onChoose }: RowProps) {
  const [sign, tone, word] = OUTCOMES[of.state] ?? ["◇", "muted", of.state];
  return (
    <>
      <tr>
        <td class="pick">
          <input type="checkbox" aria-label={`Select ${of.topic} ${of.partition}:${of.offset}`} checked={isChosen} onChange={(event) => onChoose(event.currentTarget.checked)} />
        </td>
        <th scope="row">
          <button type="button" class="quiet" aria-expanded={isOpen} onClick={() => onOpen(!isOpen)}>
            <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span>
            <Clock at={of.at} />
          </button>
        </th>
        <td class="mono">{keyText(of.key)}</td>
        <td>
          <a href={ui.record(of.topic, of.partition, of.offset)}>
            {of.topic} {of.partition}:{of.offset}
          </a>
        </td>
        <td>
          <span class={`nowrap ${tone}`}>
            <span aria-hidden="true">{sign}</span> {word}
          </span>{" "}
          <span class="muted">{of.status ?? of.error}</span>
        </td>
        <td class="num">{of.attempt}</td>
        <td class="num">{duration(of.duration_ms)}</td>
        <td>{of.next_at ? <Ago at={of.next_at} /> : <span class="muted">–</span>}</td>
      </tr>
      {isOpen && (
        <tr class="details">
          <td colSpan={8}>
            <Exchange of={of} sub={sub} />
          </td>
        </tr>
      )}
    </>
  );
}
