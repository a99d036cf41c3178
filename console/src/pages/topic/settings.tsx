// A topic's settings, those that may be changed, and the end of the topic. Every change is asked about first.

import { useState } from "preact/hooks";
import { route } from "../../app/place";
import { at, del, patch, seg } from "../../api/client";
import type { Topic } from "../../api/types";
import { ui } from "../../app/paths";
import { command } from "../../text/command";
import { count } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Confirm } from "../../ui/confirm";
import { Facts } from "../../ui/facts";
import { Field } from "../../ui/field";

const COMPRESSION = "compression.type";
const CODECS = ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];

export function Settings({ of, onChange }: { of: Topic; onChange: () => void }) {
  const settings = Object.entries(of.config ?? {}).filter(([name]) => name !== COMPRESSION);
  return (
    <div class="stack">
      <h2>Settings</h2>
      <Facts of={settings.map(([name, value]) => [name, <code>{String(value)}</code>] as const)} />
      {of.internal ? (
        <p class="muted">This is the log's own topic: nobody else changes or deletes it. Compression: {of.config?.[COMPRESSION] ?? "–"}.</p>
      ) : (
        <>
          <Compression of={of} onChange={onChange} />
          <p class="muted">
            Retention is the whole log's: <code>log.retention</code> and <code>log.max_bytes</code> in rowfeed.toml.
          </p>
          <h2>Delete</h2>
          <Deletion of={of} />
        </>
      )}
    </div>
  );
}

function Compression({ of, onChange }: { of: Topic; onChange: () => void }) {
  const now = of.config?.[COMPRESSION] ?? "producer";
  const [chosen, setChosen] = useState<string>();
  const [asks, setAsks] = useState(false);
  const value = chosen ?? now;
  const body = { config: { [COMPRESSION]: value } };
  const path = seg`/v1/topics/${of.name}`;
  return (
    <div>
      <Field label={COMPRESSION} help="Of batches that are written from now on; producer: as they come. What is written stays as it is.">
        {(ids) => (
          <span class="row">
            <select {...ids} value={value} onChange={(event) => setChosen(event.currentTarget.value)}>
              {CODECS.map((codec) => (
                <option key={codec} value={codec}>
                  {codec}
                </option>
              ))}
            </select>
            <button type="button" disabled={value === now} onClick={() => setAsks(true)}>
              Change
            </button>
          </span>
        )}
      </Field>
      <AsCommand line={command("rowfeed", "topics", "config", of.name, `${COMPRESSION}=${value}`)} call={{ method: "PATCH", path, body }} />
      {asks && (
        <Confirm
          title={`Change the compression of ${of.name}?`}
          verb="Change"
          act={() => patch(path, body)}
          done={`${of.name} is compressed with ${value}`}
          onClose={() => setAsks(false)}
          onDone={() => {
            setChosen(undefined);
            onChange();
          }}
        >
          <p>
            From {now} to {value}, for what is written from now on. Records stay as they are.
          </p>
        </Confirm>
      )}
    </div>
  );
}

function Deletion({ of }: { of: Topic }) {
  const [asks, setAsks] = useState(false);
  const force = of.connector !== null;
  const path = at(seg`/v1/topics/${of.name}`, { force: force ? true : null });
  const words = ["rowfeed", "topics", "delete", of.name, ...(force ? ["--force"] : [])];
  return (
    <div>
      <button type="button" class="danger" onClick={() => setAsks(true)}>
        Delete this topic …
      </button>
      <AsCommand line={command(...words)} call={{ method: "DELETE", path }} />
      {asks && (
        <Confirm
          title={`Delete ${of.name}?`}
          verb="Delete"
          danger
          type={of.name}
          act={() => del(path)}
          done={`${of.name} is deleted`}
          onClose={() => setAsks(false)}
          onDone={() => route(ui.topics())}
        >
          <p>
            Its {count(of.records)} records and what groups committed of it are lost. Nothing brings them back; the table in PostgreSQL stays as it is.
          </p>
          {force && <p>The connector {of.connector} publishes to it, and makes it anew, empty, with the next change of its table.</p>}
        </Confirm>
      )}
    </div>
  );
}
