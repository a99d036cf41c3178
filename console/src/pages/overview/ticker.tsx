// The latest changes of all topics but internal ones: the last of each at first, then as they come, a sample of a few a second. Stands still
// while it is pointed at, focused or selected in.

import { useRef, useState } from "preact/hooks";
import { ui } from "../../app/paths";
import { useSubscription } from "../../live/live";
import type { Ear, LiveRecord, Wish } from "../../live/messages";
import { diffOfView, keyText, opWord, summary } from "../../text/diff";
import { count } from "../../text/format";
import { Clock } from "../../ui/time";

const ROWS_MAX = 10;
/** What was left out is told so long. */
const SKIPPED_MS = 3000;
/** Records a second: as many as there is room for. */
const RATE = 10;
/** Records of all topics at first: the most that the service samples. */
const FIRST_MAX = 1000;

const LIVE: Wish = { match: ["*"], view: "diff", sample: RATE, credit: 50 };
/** The last two of each topic: behind a delete comes its tombstone, which is no change. At the rate of what follows, the first topics would use it up. */
const FIRST: Wish = { ...LIVE, from: "-2", sample: FIRST_MAX, credit: FIRST_MAX };

export function Ticker() {
  const [rows, setRows] = useState<LiveRecord[]>([]);
  const [skipped, setSkipped] = useState(0);
  const [refused, setRefused] = useState("");
  const lately = useRef(0);
  const held = useRef(false);
  const missed = useRef<LiveRecord[]>([]);
  const [isFirst, setIsFirst] = useState(true);
  const show = (items: LiveRecord[]) => setRows((before) => latest([...[...items].reverse(), ...before]));
  const ear: Ear = {
    records: (all) => {
      // Dead letters and the like are changes that are shown already.
      const items = all.filter((one) => !one.topic.startsWith("__"));
      if (held.current) missed.current = [...missed.current, ...items].slice(-ROWS_MAX);
      else show(items);
    },
    began: () => setRefused(""),
    refused: (_, message) => setRefused(message),
  };
  // What comes is asked for before what was: nothing is missed between them.
  useSubscription(LIVE, {
    ...ear,
    skipped: (n) => {
      setSkipped(n);
      clearTimeout(lately.current);
      lately.current = window.setTimeout(() => setSkipped(0), SKIPPED_MS);
    },
  });
  useSubscription(isFirst ? FIRST : null, { ...ear, caughtUp: () => setIsFirst(false) });
  const hold = (is: boolean) => {
    // Nothing to read yet is nothing to hold still.
    held.current = is && rows.length > 0;
    if (!is && missed.current.length > 0) {
      show(missed.current);
      missed.current = [];
    }
  };
  return (
    <section aria-labelledby="ticker-title" onMouseEnter={() => hold(true)} onMouseLeave={() => hold(false)} onFocusCapture={() => hold(true)} onBlurCapture={() => hold(false)}>
      <div class="bar-row">
        <h2 id="ticker-title">Latest changes</h2>
        {skipped > 0 && (
          <span class="muted">
            showing {RATE} of {count(skipped + RATE)} a second
          </span>
        )}
      </div>
      {refused && <p class="muted">Not shown: {refused}.</p>}
      {rows.length === 0 && !refused ? (
        <p class="muted">No change has come yet: the next one stands here at once.</p>
      ) : (
        <div class="table-wrap scrolls ticker" role="region" aria-label="Latest changes" aria-live="off" tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Topic</th>
                <th scope="col">Op</th>
                <th scope="col">Key</th>
                <th scope="col">Change</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((record) => (
                <Row key={placeOf(record)} of={record} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

const placeOf = ({ topic, partition, offset }: LiveRecord) => `${topic} ${partition}:${offset}`;

/** The newest of these, each once: records come by topic, and from both subscriptions. */
const latest = (rows: LiveRecord[]) =>
  [...new Map(rows.map((one) => [placeOf(one), one])).values()].sort((a, b) => ((b.ts ?? "") > (a.ts ?? "") ? 1 : (b.ts ?? "") < (a.ts ?? "") ? -1 : 0)).slice(0, ROWS_MAX);

function Row({ of }: { of: LiveRecord }) {
  const op = of.op ?? "";
  return (
    <tr>
      <td>
        <a href={ui.record(of.topic, of.partition, of.offset)}>
          <Clock at={of.ts} />
        </a>
      </td>
      <td>
        <a href={ui.topic(of.topic)}>{of.topic}</a>
      </td>
      <td>
        <span class={`op op-${op}`}>{opWord(op)}</span>
      </td>
      <td class="mono nowrap">{keyText(of.key, 40)}</td>
      <td class="mono change">{summary(op, diffOfView({ op, changed: of.changed ?? null, row: of.row ?? null, unavailable: of.unavailable ?? [] }))}</td>
    </tr>
  );
}
