// To the changes of the same key before and after a record: the history of a row. Searched when asked for, so much at once and no more.

import { useEffect, useRef, useState } from "preact/hooks";
import { route } from "../../app/place";
import { asProblem, at, get, seg } from "../../api/client";
import type { Answer } from "../../api/types";
import { ui } from "../../app/paths";
import { keyText } from "../../text/diff";
import { count } from "../../text/format";
import type { Stored } from "./stored";

type RecordPage = Answer<"/v1/topics/{topic}/records">;
type Way = "backward" | "forward";

/** A key as the API looks for it. */
const keyParam = (key: unknown) => (typeof key === "string" ? key : JSON.stringify(key));

/** The request that finds the neighbour, from the record or from where a search stopped. Same keys are in one partition. */
function path(topic: string, { item }: Stored, way: Way, cursor: string | null): string {
  const place = cursor ? { cursor } : { from: `${item.partition}:${way === "backward" ? item.offset : item.offset + 1}`, partition: item.partition, direction: way };
  return at(seg`/v1/topics/${topic}/records`, { format: "json", view: "diff", ...place, key: keyParam(item.key), limit: 1 });
}

export function Neighbours({ topic, of, search = "" }: { topic: string; of: Stored; search?: string }) {
  if (of.item.key === null || of.item.key === undefined) return <p class="muted">A record without a key: it belongs to no row.</p>;
  return (
    <div class="neighbours" role="group" aria-label={`Changes of ${keyText(of.item.key)}`}>
      <Neighbour key={`b${of.item.offset}`} way="backward" topic={topic} of={of} search={search} />
      <Neighbour key={`f${of.item.offset}`} way="forward" topic={topic} of={of} search={search} />
    </div>
  );
}

interface State {
  says: string;
  /** Where the search goes on. */
  cursor: string | null;
  searched: number;
}

function Neighbour({ way, topic, of, search }: { way: Way; topic: string; of: Stored; search: string }) {
  const [state, setState] = useState<State>({ says: "", cursor: null, searched: 0 });
  const [isBusy, setBusy] = useState(false);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const isBack = way === "backward";
  const go = async () => {
    stop.current?.abort();
    const mine = new AbortController();
    stop.current = mine;
    setBusy(true);
    try {
      const page = await get<RecordPage>(path(topic, of, way, state.cursor), { signal: mine.signal });
      const found = page.items[0];
      if (found) {
        route(`${ui.record(topic, found.partition, found.offset)}${search}`);
        return;
      }
      const searched = state.searched + page.scanned;
      if (page.scan_limited && page.next_cursor) setState({ says: `Searched ${count(searched)} records. Go on?`, cursor: page.next_cursor, searched });
      else setState({ says: isBack ? "No earlier change of this key is kept." : "This is the newest change of this key.", cursor: null, searched: 0 });
    } catch (error) {
      if (!mine.signal.aborted) setState({ ...state, says: asProblem(error).detail });
    }
    setBusy(false);
  };
  return (
    <span class="row">
      <button type="button" disabled={isBusy} onClick={go}>
        {isBack ? "‹ " : ""}
        {isBusy ? "Looking …" : state.cursor ? "Go on" : `${isBack ? "Previous" : "Next"} change of ${keyText(of.item.key, 40)}`}
        {isBack ? "" : " ›"}
      </button>
      <span class="muted" role="status">
        {state.says}
      </span>
    </span>
  );
}
