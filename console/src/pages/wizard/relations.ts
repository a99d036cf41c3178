// The tables of a database that no connector reads yet, asked once for a connection and its password.

import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { asking } from "../../api/asking";
import { post } from "../../api/client";
import type { ApiProblem } from "../../api/problem";
import type { Relation } from "../../api/types";
import { connectionOptions, missing } from "./draft";
import { connectionKey, draft, password } from "./store";

/** The service asks for half a minute at most. */
const TIMEOUT_MS = 40_000;

interface Known {
  of: string;
  items: readonly Relation[];
  problem: ApiProblem | null;
}

const known = signal<Known | null>(null);

export interface Relations {
  items: readonly Relation[];
  isLoading: boolean;
  problem: ApiProblem | null;
  again: () => void;
}

export function useRelations(): Relations {
  const [asked, setAsked] = useState(0);
  const key = `${connectionKey(draft.value)} ${asked}`;
  const may = missing(draft.value) === "";
  const typed = password.value;
  useEffect(() => {
    if (!may || (known.peek()?.of === key && !known.peek()?.problem)) return;
    const config = connectionOptions(draft.peek(), typed);
    return asking(
      (signal) => post<{ items: Relation[] }>("/v1/sources/tables", { config }, { signal, timeoutMs: TIMEOUT_MS }),
      ({ items }) => (known.value = { of: key, items, problem: null }),
      (problem) => (known.value = { of: key, items: [], problem }),
    );
  }, [key, may, typed]);
  const is = known.value?.of === key ? known.value : null;
  return {
    items: is?.items ?? [],
    isLoading: may && is === null,
    problem: is?.problem ?? null,
    again: () => setAsked(asked + 1),
  };
}
