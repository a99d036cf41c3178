// What the service says of the draft's options, asked when they rest. Promises that what the doctor says of the database is not told twice.

import { useEffect, useState } from "preact/hooks";
import { asking } from "../../api/asking";
import { put } from "../../api/client";
import type { ApiProblem } from "../../api/problem";

/** The service asks the database while it checks. */
const TIMEOUT_MS = 20_000;
const RESTS_MS = 500;

interface Infos {
  configs: { value: { name: string; errors: string[] } }[];
}

export interface Validated {
  /** What is wrong, by option; null while it is not known. */
  errors: readonly (readonly [option: string, said: readonly string[]])[] | null;
  problem: ApiProblem | null;
}

const UNKNOWN: Validated = { errors: null, problem: null };

/** The verdict on these options; `round` asks again. A null key asks nothing. */
export function useValidated(key: string | null, round: number): Validated {
  const [validated, setValidated] = useState(UNKNOWN);
  useEffect(() => {
    setValidated(UNKNOWN);
    if (key === null) return;
    return asking(
      (signal) => put<Infos>("/connector-plugins/PostgresConnector/config/validate", key, { signal, timeoutMs: TIMEOUT_MS }),
      ({ configs }) => setValidated({ errors: configs.filter(({ value }) => value.errors.length > 0).map(({ value }) => [value.name, value.errors]), problem: null }),
      (problem) => setValidated({ errors: null, problem }),
      RESTS_MS,
    );
  }, [key, round]);
  return validated;
}

/** What is left of the errors when those are away that the doctor has told: they begin with the code of one of its findings. */
export function untold({ errors }: Validated, codes: readonly string[]): ReadonlyMap<string, string> {
  const isTold = (said: string) => codes.some((code) => said.startsWith(`${code}:`));
  const left = (errors ?? []).map(([option, said]) => [option, said.filter((one) => !isTold(one)).join("\n")] as const);
  return new Map(left.filter(([, said]) => said !== ""));
}
