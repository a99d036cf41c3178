// Who reads a topic: each group's place in each partition, and how far behind it is.

import { seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Answer, Topic } from "../../api/types";
import { ui } from "../../app/paths";
import { command } from "../../text/command";
import { count, duration } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Kcat } from "../../ui/kcat";

const ASKED_MS = 3000;
/** Groups that are asked of one by one. */
const GROUPS_MAX = 20;

export function Consumers({ of }: { of: Topic }) {
  if (of.groups === undefined) return <Empty title="This service does not tell who reads">Groups are known where topics are in the built-in log.</Empty>;
  if (of.groups.length === 0) return <None name={of.name} />;
  const shown = of.groups.slice(0, GROUPS_MAX);
  return (
    <>
      <div class="table-wrap" role="region" aria-label="Consumers" tabIndex={0}>
        <table>
          <caption class="sr">Groups that committed a place in {of.name}</caption>
          <thead>
            <tr>
              <th scope="col">Group</th>
              <th scope="col">State</th>
              <th scope="col" class="num">Partition</th>
              <th scope="col" class="num">Committed</th>
              <th scope="col" class="num">End</th>
              <th scope="col" class="num">Lag</th>
              <th scope="col" class="num" title="Age of the oldest record that is not read yet">Behind</th>
              <th scope="col">Member</th>
            </tr>
          </thead>
          {shown.map((group) => (
            <Group key={group} name={group} topic={of.name} />
          ))}
        </table>
      </div>
      {of.groups.length > shown.length && (
        <p class="muted">
          {of.groups.length - shown.length} more are among <a href={ui.groups()}>all groups</a>.
        </p>
      )}
      <AsCommand line={command("rowfeed", "groups", "show", shown[0] ?? "")} call={{ path: seg`/v1/groups/${shown[0] ?? ""}` }} />
    </>
  );
}

function Group({ name, topic }: { name: string; topic: string }) {
  const { data, problem } = usePolled<Answer<"/v1/groups/{group}">>(seg`/v1/groups/${name}`, ASKED_MS);
  const link = <a href={ui.group(name)}>{name}</a>;
  if (!data) {
    return (
      <tbody>
        <tr>
          <th scope="row">{link}</th>
          <td colSpan={7} class="muted">
            {problem ? problem.detail : "…"}
          </td>
        </tr>
      </tbody>
    );
  }
  const offsets = data.offsets.filter((one) => one.topic === topic);
  return (
    <tbody>
      {offsets.map((one, i) => (
        <tr key={one.partition}>
          <th scope="row">{i === 0 ? link : <span class="muted">{name}</span>}</th>
          <td>{data.state}</td>
          <td class="num">{one.partition}</td>
          <td class="num">{count(one.committed)}</td>
          <td class="num">{count(one.end)}</td>
          <td class="num">{count(one.lag)}</td>
          <td class="num">{one.lag_seconds === null ? "–" : duration(one.lag_seconds * 1000)}</td>
          <td class="mono">{one.member ?? "–"}</td>
        </tr>
      ))}
    </tbody>
  );
}

function None({ name }: { name: string }) {
  return (
    <Empty title="No group reads this topic">
      <p>A consumer of Kafka's clients is seen here as soon as it commits its place. To try one:</p>
      <Kcat topic={name} />
    </Empty>
  );
}
