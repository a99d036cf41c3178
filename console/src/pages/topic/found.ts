// A page of records as the address asks for it. Promises that only the newest question is answered, that what was shown stays until then,
// and that going on after a bounded search adds up what was searched.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asProblem, at, get, seg } from "../../api/client";
import type { ApiProblem } from "../../api/problem";
import type { Answer } from "../../api/types";
import { type DiffRecord, type Line, lineOf } from "../../text/change";
import { type Asked, keyParam, pagePath } from "./asked";

export type RecordPage = Answer<"/v1/topics/{topic}/records">;

export interface Found {
  /** What was asked for, its key as the API takes it. */
  asked: Asked;
  lines: readonly Line[];
  next: string | null;
  prev: string | null;
  /** Records looked at, over all of a search that went on. */
  scanned: number;
  isLimited: boolean;
  unreadable: number;
  gaps: RecordPage["gaps"];
  partitions: RecordPage["partitions"];
}

interface State {
  question: string;
  found?: Found;
  problem?: ApiProblem;
}

/** The page for what is asked. `isLoading` while it is not yet the answer to this question. */
export function useFound(topic: string, asked: Asked) {
  const [state, setState] = useState<State>({ question: "" });
  const [turn, setTurn] = useState(0);
  const sample = useRef<unknown>(undefined);
  const searched = useRef({ cursor: "", records: 0 });
  const question = JSON.stringify([topic, asked, turn]);
  useEffect(() => {
    const stop = new AbortController();
    const ask = async () => {
      try {
        // A bare key needs the name of the topic's key column: any record has it.
        if (asked.key && !/^\s*[[{]/.test(asked.key) && sample.current === undefined) {
          const one = await get<RecordPage>(at(seg`/v1/topics/${topic}/records`, { format: "json", limit: 1 }), { signal: stop.signal });
          sample.current = one.items[0]?.key ?? null;
        }
        const exact = { ...asked, key: keyParam(asked.key, sample.current) };
        const page = await get<RecordPage>(pagePath(topic, exact), { signal: stop.signal });
        const before = searched.current.cursor !== "" && searched.current.cursor === asked.cursor ? searched.current.records : 0;
        const lines = page.items.map((item) => lineOf(item as DiffRecord));
        if (lines[0] && sample.current === undefined) sample.current = lines[0].key;
        const { next_cursor: next, prev_cursor: prev, unreadable, gaps, partitions } = page;
        setState({
          question,
          found: { asked: exact, lines, next, prev, scanned: before + page.scanned, isLimited: page.scan_limited, unreadable, gaps, partitions },
        });
      } catch (error) {
        if (!stop.signal.aborted) setState({ question, problem: asProblem(error) });
      }
    };
    ask();
    return () => stop.abort();
  }, [question]);
  const isLoading = state.question !== question;
  return {
    found: state.found,
    problem: isLoading ? undefined : state.problem,
    isLoading,
    /** Asks again. */
    again: useCallback(() => setTurn((now) => now + 1), []),
    /** The search goes on at this cursor: what was searched counts on. */
    goesOn: (cursor: string) => {
      searched.current = { cursor, records: state.found?.scanned ?? 0 };
    },
  };
}
