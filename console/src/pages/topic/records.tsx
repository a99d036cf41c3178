// A topic's records: filters, pages by cursors, the live tail on top, files to save. All of its state is in the address.

import { useCallback, useRef } from "preact/hooks";
import { place, route } from "../../app/place";
import type { Topic } from "../../api/types";
import { useActions } from "../../app/actions";
import { withQuery } from "../../app/query";
import type { Line } from "../../text/change";
import { count, counted, rate as rateText } from "../../text/format";
import { placeMistake } from "../../text/places";
import { AsCommand } from "../../ui/as-command";
import { Loading } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { isAway } from "../../live/live";
import { type Asked, NOTHING, isBackward, pagePath, tailCommand } from "./asked";
import { Export } from "./export";
import { Filters } from "./filters";
import { type Found, useFound } from "./found";
import { useHold } from "./hold";
import { type LiveTail, useLiveTail, wishOf } from "./live";
import { NoRecords } from "./none";
import { Rows } from "./rows";

export function Records({ name, topic }: { name: string; topic: Topic | undefined }) {
  const { query } = place.value;
  const isLive = query["live"] === "1";
  // A tail is of what comes: where to begin is not asked then.
  const asked: Asked = {
    from: (!isLive && query["from"]) || NOTHING.from,
    partition: /^\d{1,9}$/.test(query["partition"] ?? "") ? (query["partition"] ?? "") : "",
    op: query["op"] ?? "",
    where: query["where"] ?? "",
    key: query["key"] ?? "",
    cursor: (!isLive && query["cursor"]) || "",
  };
  const { found, problem, isLoading, again, goesOn } = useFound(name, asked);

  const go = useCallback(
    (change: Record<string, string | null>, write: "push" | "replace" = "push") => route(withQuery(location.pathname + location.search, change), write === "replace"),
    [],
  );
  /** Another question: pages and what was open belong to the one before. */
  const ask = (change: Partial<Asked>) => {
    const of = Object.entries(change).map(([param, value]) => [param, value === NOTHING[param as keyof Asked] ? null : value] as const);
    go({ cursor: null, open: null, ...Object.fromEntries(of) });
  };
  const open = useCallback((id: string) => go({ open: id || null }, "replace"), [go]);

  // A tail goes on where the page that answers this question ended; while another page is on its way there is none.
  const begins = isLive && !isLoading && !problem && found ? found : null;
  const tail = useLiveTail(found, begins ? wishOf(name, begins) : null);

  const start = () => {
    go({ live: "1", from: null, cursor: null });
    // From now on, and not from when the page was opened.
    again();
  };
  const stop = () => go({ live: null });
  useActions(`${name} ${isLive}`, () => [{ title: isLive ? "Stop the live tail" : `Follow ${name} live`, words: "tail records", run: isLive ? stop : start }]);

  const { rows } = tail.tail.value;
  const area = useRef<HTMLDivElement>(null);
  useHold(area, isLive ? tail.hold : undefined);
  const exact = found && !isLoading ? found.asked : asked;
  // Told at its field.
  const isMistake = problem?.code.startsWith("filter/") === true || placeMistake(asked.from) !== undefined;
  return (
    <>
      <Filters asked={asked} partitions={topic?.partitions.length ?? found?.partitions.length ?? 1} isLive={isLive} problem={problem} onChange={ask} />
      <div ref={area}>
        <div class="record-bar">
          <button type="button" class={isLive ? "live on" : "live"} onClick={isLive ? stop : start}>
            <span aria-hidden="true">{isLive ? "■" : "●"}</span> {isLive ? "Stop" : "Live"}
          </button>
          {isLive ? <LiveState of={tail} /> : <Pages found={found} rows={rows} isLoading={isLoading} onGo={go} onAgain={again} />}
          <Export topic={name} asked={exact} />
        </div>
        <p class="sr" role="status">
          {tail.said.value}
        </p>
        {tail.refused.value && <pre class="problem error">{tail.refused.value}</pre>}
        {tail.notes.value.map((note, i) => (
          <p key={i} class="note">
            <span aria-hidden="true">▲</span> {note}
          </p>
        ))}
        {problem && !isMistake && <ProblemBox problem={problem} onRetry={again} />}
        {!found && !problem && <Loading />}
        {found && !problem && (
          <>
            <Told of={found} />
            {rows.length > 0 ? (
              <Rows topic={name} rows={rows.slice(0, tail.drawn.value)} open={query["open"] ?? ""} onOpen={open} isLive={isLive} isBusy={isLoading} />
            ) : (
              !isLoading && !found.isLimited && <NoRecords topic={topic} asked={asked} isLive={isLive} onClear={() => ask({ ...NOTHING })} />
            )}
            {!isLive && found.isLimited && found.next && (
              <p class="row limited" role="status">
                Searched {count(found.scanned)} records and found {found.lines.length}.
                <button
                  type="button"
                  onClick={() => {
                    goesOn(found.next ?? "");
                    go({ cursor: found.next, open: null });
                  }}
                >
                  Go on
                </button>
              </p>
            )}
          </>
        )}
      </div>
      <AsCommand line={tailCommand(name, exact, { follow: isLive })} call={{ path: pagePath(name, exact) }} />
    </>
  );
}

/** What the page does not hold, and why. */
function Told({ of }: { of: Found }) {
  return (
    <>
      {of.gaps.map((gap) => (
        <p key={gap.partition} class="note">
          <span aria-hidden="true">▲</span> Offsets {count(gap.from)} to {count(gap.to)} of partition {gap.partition} were removed by retention meanwhile.
        </p>
      ))}
      {of.unreadable > 0 && (
        <p class="note">
          <span aria-hidden="true">▲</span> {count(of.unreadable)} records are no JSON (Avro, Protobuf): a condition on their columns leaves them out.
        </p>
      )}
    </>
  );
}

interface PagesProps {
  found: Found | undefined;
  /** What is shown: more than the page where a tail was stopped. */
  rows: readonly Line[];
  isLoading: boolean;
  onGo: (change: Record<string, string | null>) => void;
  onAgain: () => void;
}

/** To the pages beside this one. The cursors say which way time goes by their first letter. */
function Pages({ found, rows, isLoading, onGo, onAgain }: PagesProps) {
  const isNewestFirst = found ? (found.next ?? found.prev ?? (isBackward(found.asked.from) ? "n" : "o")).startsWith("n") : true;
  const to = (cursor: string | null | undefined) => onGo({ cursor: cursor ?? null, open: null });
  // A tail that ran long has pushed the page out: the records behind what is shown are not the page's next ones.
  const isPushedOut = rows.length > 0 && found !== undefined && rows.at(-1)?.id !== found.lines.at(-1)?.id;
  return (
    <>
      <button type="button" disabled={!found?.prev} onClick={() => to(found?.prev)}>
        ‹ {isNewestFirst ? "Newer" : "Older"}
      </button>
      <button type="button" disabled={!found?.next || isPushedOut} onClick={() => to(found?.next)}>
        {isNewestFirst ? "Older" : "Newer"} ›
      </button>
      <button type="button" class="quiet" onClick={found?.asked.cursor ? () => to(null) : onAgain}>
        {found?.asked.cursor ? "First page" : "Reload"}
      </button>
      <span class="muted" role="status">
        {isLoading ? "Looking …" : found ? `${counted(rows.length, "record")}, ${isNewestFirst ? "newest" : "oldest"} first` : ""}
      </span>
    </>
  );
}

/** How the tail goes: its rate, what is left out, what waits. */
function LiveState({ of }: { of: LiveTail }) {
  const { shown, all } = of.rate.value;
  const { heldCount } = of.tail.value;
  const left = all - shown;
  if (isAway.value) {
    return (
      <span class="say-warn">
        <span aria-hidden="true">▲</span> The service does not answer. The list goes on where it stopped as soon as it does.
      </span>
    );
  }
  return (
    <>
      <span class="muted live-rate">
        {left > 0.5 ? (
          <>
            showing {rateText(shown)} of {rateText(all)}/s
          </>
        ) : all > 0 ? (
          <>{rateText(all)}/s</>
        ) : (
          "waiting for changes"
        )}
      </span>
      {heldCount > 0 && (
        <>
          <button type="button" class="held" onClick={of.show}>
            {count(heldCount)} new – show
          </button>
          <span class="muted">The list stands still while you read it.</span>
        </>
      )}
    </>
  );
}
