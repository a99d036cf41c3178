// Why was this cache key deleted? What the server has of it now, and its last invalidations: which change, when it was committed, when the
// key was taken away, when it was behind the fence. And the barrier: waiting until a position has arrived.

import { useState } from "preact/hooks";
import { at, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Subscription } from "../../api/types";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { bytes, count, counted, duration } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Facts } from "../../ui/facts";
import { Field } from "../../ui/field";
import { Loaded } from "../../ui/loading";
import { Barrier } from "./barrier";
import { type Invalidation, Invalidations } from "./invalidations";

interface Explained {
  key: string;
  stored_as: string;
  generation: string | null;
  exists: boolean;
  bytes: number | null;
  ttl_ms: number | null;
  lease: string | null;
  version: string | null;
  invalidations: Invalidation[];
  functions: boolean;
  doubts: number;
  inspected: number;
  inconsistent: number;
}

export function KeyStory({ of }: { of: Subscription }) {
  const [key, setKey] = useQuery("key", "", "push");
  const [typed, setTyped] = useState(key);
  const path = key ? at(`${seg`/v1/subscriptions/${of.name}`}/explain`, { key }) : null;
  const polled = usePolled<Explained>(path);
  const templates = Array.isArray(of.config["keys"]) ? (of.config["keys"] as unknown[]).filter((one): one is string => typeof one === "string") : [];
  return (
    <>
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          if (typed === key) polled.again();
          else setKey(typed);
        }}
      >
        <Field label="Key" help="As the application knows it, without its namespace.">
          {(ids) => <input {...ids} type="text" class="mono" required data-filter autocomplete="off" spellcheck={false} placeholder={templates[0]?.replace(/\{[^}]*\}/g, "42") ?? "product:42"} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />}
        </Field>
        <button type="submit" class="primary">
          Explain
        </button>
      </form>
      {path === null ? (
        <Empty title="Why was a cache key deleted?">
          <p>Name a key: which change took it away stands here, with its transaction, when it was committed, deleted, and behind the fence.</p>
          {templates.length > 0 && (
            <p>
              The keys of this subscription are made of <code>{templates.join(", ")}</code>.
            </p>
          )}
        </Empty>
      ) : (
        <Loaded of={polled}>
          {(told) => (
            <div class="stack">
              <Story of={told} />
              <Facts
                of={[
                  ["In the cache now", told.exists ? `yes${told.bytes === null ? "" : `, ${bytes(told.bytes)}`}` : "no"],
                  ["Stored as", <code>{told.stored_as}</code>],
                  ["Time to live", told.exists ? (told.ttl_ms === null ? "for ever" : duration(told.ttl_ms)) : null],
                  ["Being filled", told.lease ? "a reader holds a lease" : "no"],
                  ["Generation", told.generation],
                  ["Version", told.version],
                  ["Whole cache dropped", `${counted(told.doubts, "time")} in doubt`],
                  ["Inspected", told.inspected > 0 ? `${count(told.inspected)} keys, ${count(told.inconsistent)} did not agree` : null],
                ]}
              />
              <Invalidations of={told.invalidations} />
            </div>
          )}
        </Loaded>
      )}
      <AsCommand line={command("rowfeed", "cache", "explain", key || "KEY", "--subscription", of.name)} call={{ path: path ?? at(`${seg`/v1/subscriptions/${of.name}`}/explain`, { key: "KEY" }) }} />
      <h2>Barrier</h2>
      <Barrier of={of} />
    </>
  );
}

/** The answer in a sentence. */
function Story({ of }: { of: Explained }) {
  const [last] = of.invalidations.toSorted((a, b) => b.committed_ms - a.committed_ms);
  if (!last) {
    return (
      <p>
        This subscription remembers no invalidation of <code>{of.key}</code>. {of.exists ? "The key is there." : "The key is not there: it expired, was evicted, was deleted by somebody else, or was never stored."} It remembers those since it was started.
      </p>
    );
  }
  const took = last.deleted_ms === null ? null : last.deleted_ms - last.committed_ms;
  return (
    <p>
      <b>
        {of.key} was last taken away because transaction {last.transactions.join(", ") || "(unknown)"} changed a row of {last.topic}
      </b>
      {took !== null && <>: {took < 0 ? "at once" : duration(took)} after its commit</>}
      {last.fenced_ms !== null ? `, and once more behind the fence, ${duration(last.fenced_ms - last.committed_ms)} after it.` : ". It is not behind the fence yet."}
      {of.exists && " It was filled again since."}
    </p>
  );
}
