// Waits until what was committed up to a position is behind the fence: to read one's own write from the cache.

import { useState } from "preact/hooks";
import { useAct } from "../../api/act";
import { at, get, seg } from "../../api/client";
import type { Subscription } from "../../api/types";
import { duration } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Field } from "../../ui/field";
import { ProblemBox } from "../../ui/problem-box";

interface Passed {
  lsn: string;
  durable_lsn: string;
  waited_ms: number;
}

const WAIT = "10s";

export function Barrier({ of }: { of: Subscription }) {
  const [lsn, setLsn] = useState("");
  const [passed, setPassed] = useState<Passed>();
  const { busy, problem, run } = useAct();
  const path = at(`${seg`/v1/subscriptions/${of.name}`}/barrier`, { lsn: lsn || "0/1A2B3C8", timeout: WAIT });
  const wait = (event: SubmitEvent) => {
    event.preventDefault();
    setPassed(undefined);
    run(async () => setPassed(await get<Passed>(path)));
  };
  return (
    <>
      <form class="ask" onSubmit={wait}>
        <Field label="Wait until this position is behind the fence" help={<>What <code>select pg_current_wal_insert_lsn()</code> says after a commit.</>}>
          {(ids) => <input {...ids} type="text" class="mono" required pattern="[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}" autocomplete="off" spellcheck={false} placeholder="0/1A2B3C8" value={lsn} onInput={(event) => setLsn(event.currentTarget.value.trim())} />}
        </Field>
        <button type="submit" disabled={busy}>
          {busy ? "Waiting …" : "Wait"}
        </button>
      </form>
      <div aria-live="polite">
        {passed && (
          <p class="say-ok">
            ● Behind the fence after {duration(passed.waited_ms)}: whoever reads the cache now sees {passed.lsn} or newer.
          </p>
        )}
        {problem && <ProblemBox problem={problem} what="Not yet" />}
      </div>
      <AsCommand call={{ path }} />
    </>
  );
}
