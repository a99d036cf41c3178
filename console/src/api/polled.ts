// Asks a path again and again. Promises: not while the tab is hidden, one request at a time, slower after failures (a minute at most), and
// that what was known stays known while it fails.

import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Signal, signal } from "@preact/signals";
import { found, lost } from "../app/connection";
import { asProblem, get, needsLogin } from "./client";
import type { ApiProblem } from "./problem";

const BACKOFF_MS_MAX = 60_000;

export interface Polled<T> {
  /** The last good answer. */
  data: T | undefined;
  /** Why the last request failed; undefined after one that did not. */
  problem: ApiProblem | undefined;
  /** True until the first answer. */
  loading: boolean;
  /** Asks at once, after an action of the person's. */
  again: () => void;
}

let names = 0;

/** The path's answer, asked again every so often; 0: once. A null path asks nothing. */
export function usePolled<T>(path: string | null, everyMs = 0): Polled<T> {
  return usePolledBy<T>(path, (signal) => get<T>(path ?? "", { signal }), everyMs);
}

/** The same of several requests that belong together: `key` says what is asked for, `load` asks. */
export function usePolledBy<T>(path: string | null, load: (signal: AbortSignal) => Promise<T>, everyMs = 0): Polled<T> {
  const latest = useRef(load);
  latest.current = load;
  const state: Signal<{ path: string | null; data?: T; problem?: ApiProblem }> = useMemo(() => signal({ path: null }), []);
  const askAgain = useRef<() => void>(() => {});
  useEffect(() => {
    if (path === null) return;
    const who = `poll-${++names}`;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking: AbortController | undefined;
    let failures = 0;
    let over = false;

    const plan = () => {
      clearTimeout(timer);
      if (over || document.hidden) return;
      if (failures === 0 && everyMs === 0) return;
      const base = everyMs || 5000;
      const wait = failures === 0 ? base : Math.min(BACKOFF_MS_MAX, Math.max(2000, base) * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
      if (failures > 0 && state.peek().problem?.status === 0) lost(who, Date.now() + wait);
      timer = setTimeout(ask, wait);
    };
    const ask = async () => {
      clearTimeout(timer);
      asking?.abort();
      const mine = new AbortController();
      asking = mine;
      try {
        const data = await latest.current(mine.signal);
        if (over || mine.signal.aborted) return;
        failures = 0;
        found(who);
        state.value = { path, data };
      } catch (error) {
        if (over || mine.signal.aborted) return;
        const problem = asProblem(error);
        failures = Math.min(failures + 1, 10);
        if (problem.status !== 0) found(who);
        const before = state.peek();
        state.value = { path, data: before.path === path ? before.data : undefined, problem };
        // What was refused stays refused until something changes.
        if (needsLogin.peek() || (problem.status >= 400 && problem.status < 500 && everyMs === 0)) return;
      }
      plan();
    };
    const seen = () => {
      if (document.hidden) clearTimeout(timer);
      else ask();
    };
    askAgain.current = ask;
    document.addEventListener("visibilitychange", seen);
    void ask();
    return () => {
      over = true;
      clearTimeout(timer);
      asking?.abort();
      found(who);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [path, everyMs, state]);
  const { path: of, data, problem } = state.value;
  const isOf = of === path;
  return {
    data: isOf ? data : undefined,
    problem: isOf ? problem : undefined,
    loading: path !== null && (!isOf || (data === undefined && problem === undefined)),
    again: () => askAgain.current(),
  };
}
