// Moves where a group goes on: shows for each partition where it is and would be, by the API's dry run, before anything is moved.

import { useEffect, useState } from "preact/hooks";
import { useAct } from "../../api/act";
import { asking } from "../../api/asking";
import { post, seg } from "../../api/client";
import { told } from "../../app/toasts";
import { command } from "../../text/command";
import { count, counted } from "../../text/format";
import { placeMistake } from "../../text/places";
import { AsCommand } from "../../ui/as-command";
import { Dialog } from "../../ui/dialog";
import { Field } from "../../ui/field";
import { ProblemBox } from "../../ui/problem-box";
import type { GroupView } from "./page";
import { type Move, moveText, summed } from "./moves";

interface Preview {
  members: number;
  offsets: Move[];
}

/** While somebody types nothing is asked. */
const TYPED_MS = 350;
const PLACES = ["start", "end", "now-1h", "now-1d", "-100"];
/** Rows of the preview; the sum below is of all. */
const ROWS_MAX = 100;

export function Seek({ view, onClose, onDone }: { view: GroupView; onClose: () => void; onDone: () => void }) {
  const topics = [...new Set(view.offsets.map((lag) => lag.topic))].sort();
  const [to, setTo] = useState("now-1h");
  const [without, setWithout] = useState<readonly string[]>([]);
  const [preview, setPreview] = useState<Preview>();
  const { busy, problem, setProblem, run } = useAct();
  const chosen = topics.filter((topic) => !without.includes(topic));
  const mistake = placeMistake(to) ?? (chosen.length === 0 && topics.length > 0 ? "choose a topic" : undefined);
  const body = { to, ...(without.length > 0 ? { topics: chosen } : {}) };
  const path = seg`/v1/groups/${view.name}/seek`;
  const asked = mistake ? null : JSON.stringify(body);

  useEffect(() => {
    setPreview(undefined);
    setProblem(undefined);
    if (asked === null) return;
    return asking((signal) => post<Preview>(path, { ...(JSON.parse(asked) as object), dry_run: true }, { signal }), setPreview, setProblem, TYPED_MS);
  }, [path, asked]);

  const move = () =>
    run(async () => {
      const done = await post<Preview>(path, body);
      told(`${view.name} goes on elsewhere in ${counted(done.offsets.length, "partition")}`);
      onClose();
      onDone();
    });
  const hasMembers = (preview?.members ?? view.members.length) > 0;
  const button = (
    <button type="button" class="primary" disabled={busy || !preview || hasMembers || preview.offsets.length === 0} onClick={move}>
      {preview ? `Move ${counted(preview.offsets.length, "partition")}` : "Move"}
    </button>
  );
  const words = ["rowfeed", "groups", "seek", view.name, `--to=${to}`, ...(without.length > 0 ? ["--topics", chosen.join(",")] : [])];
  return (
    <Dialog title={`Move offsets of ${view.name}`} onClose={onClose} foot={button} wide>
      {hasMembers && <p class="say-warn">▲ The group has members, whose place it is to say where they are. Stop them, then it can be moved; the preview works anyhow.</p>}
      <Field label="Go on at" mistake={mistake} help="start, end, -100 (before the end), +100 (behind the start), offset:1842, 0:1842,1:77, now-5m, or a time">
        {(ids) => <input {...ids} type="text" autofocus autocomplete="off" spellcheck={false} value={to} onInput={(event) => setTo(event.currentTarget.value.trim())} />}
      </Field>
      <div class="row">
        {PLACES.map((place) => (
          <button key={place} type="button" aria-pressed={place === to} onClick={() => setTo(place)}>
            {place}
          </button>
        ))}
      </div>
      {topics.length > 1 && (
        <fieldset class="choices">
          <legend>Topics</legend>
          {topics.map((topic) => (
            <label key={topic}>
              <input
                type="checkbox"
                checked={!without.includes(topic)}
                onChange={(event) => setWithout(event.currentTarget.checked ? without.filter((one) => one !== topic) : [...without, topic])}
              />
              {topic}
            </label>
          ))}
        </fieldset>
      )}
      <div aria-live="polite">
        {problem && <ProblemBox problem={problem} what="Not possible" />}
        {preview && <Moves of={preview.offsets} />}
        {!preview && !problem && !mistake && <p class="muted">Asking where that would be …</p>}
      </div>
      <AsCommand line={command(...words)} call={{ method: "POST", path, body }} />
    </Dialog>
  );
}

function Moves({ of }: { of: readonly Move[] }) {
  if (of.length === 0) return <p class="muted">No partition would be moved: the group has committed nothing.</p>;
  const { again, skipped } = summed(of);
  return (
    <>
      <div class="table-wrap scrolls preview" role="region" aria-label="Preview" tabIndex={0}>
        <table>
          <caption class="sr">Where the group is, and where it would be</caption>
          <thead>
            <tr>
              <th scope="col">Topic</th>
              <th scope="col" class="num">Partition</th>
              <th scope="col" class="num">Before</th>
              <th scope="col" class="num">After</th>
              <th scope="col">Comes to</th>
            </tr>
          </thead>
          <tbody>
            {of.slice(0, ROWS_MAX).map((move) => (
              <tr key={`${move.topic} ${move.partition}`}>
                <th scope="row">{move.topic}</th>
                <td class="num">{move.partition}</td>
                <td class="num">{count(move.before)}</td>
                <td class="num">{count(move.after)}</td>
                <td>{moveText(move)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p>
        {of.length > ROWS_MAX && `The first ${ROWS_MAX} of ${count(of.length)} partitions. `}
        Together: <b>{count(again)}</b> read again, <b>{count(skipped)}</b> skipped.
      </p>
    </>
  );
}
