// The API's reference out of the service's own description, readable without a network: grouped, searched, with examples, and to try from here.

import "./page.css";
import { useMemo } from "preact/hooks";
import { place } from "../../app/place";
import { usePolled } from "../../api/polled";
import { Page } from "../../app/page";
import { useQuery, withQuery } from "../../app/query";
import { counted } from "../../text/format";
import { holds } from "../../text/search";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Loaded } from "../../ui/loading";
import { OperationView } from "./operation";
import { type Operation, type Spec, operationsOf } from "./spec";

export default function Api() {
  const polled = usePolled<Spec>("/openapi.json");
  return (
    <Page
      title="API"
      lead={
        <>
          All that this console does can be done with curl. The description for machines: <a href="/openapi.json">/openapi.json</a>
        </>
      }
    >
      <Loaded of={polled}>{(spec) => <Reference spec={spec} />}</Loaded>
    </Page>
  );
}

function Reference({ spec }: { spec: Spec }) {
  const all = useMemo(() => operationsOf(spec), [spec]);
  const [text] = useQuery("q");
  const [id] = useQuery("op");
  const found = text ? all.filter((one) => holds(`${one.method} ${one.path} ${one.tag} ${one.summary}`, text)) : all;
  const groups = [...new Set(found.map((one) => one.tag))];
  const chosen = all.find((one) => one.id === id);
  return (
    <div class="reference">
      <nav aria-label="Operations">
        <Filter label="Filter operations" />
        <p class="muted" role="status">
          {text ? `${found.length} of ${all.length}` : counted(all.length, "operation")}
        </p>
        {groups.map((tag) => (
          <details key={tag} open={text !== "" || chosen?.tag === tag}>
            <summary>
              {tag} <span class="muted">{found.filter((one) => one.tag === tag).length}</span>
            </summary>
            <ul>
              {found
                .filter((one) => one.tag === tag)
                .map((one) => (
                  <li key={one.id}>
                    <Link to={one} current={one === chosen} />
                  </li>
                ))}
            </ul>
          </details>
        ))}
        {found.length === 0 && <p>Nothing holds “{text}”.</p>}
      </nav>
      <div>{chosen ? <OperationView key={chosen.id} of={chosen} schemas={spec.components?.schemas ?? {}} /> : <Begin />}</div>
    </div>
  );
}

function Link({ to, current }: { to: Operation; current: boolean }) {
  const { url } = place.value;
  return (
    <a href={withQuery(url, { op: to.id })} aria-current={current ? "true" : undefined} title={to.summary}>
      <span class={`method ${to.method.toLowerCase()}`}>{to.method}</span> <span class="path">{to.path}</span>
    </a>
  );
}

function Begin() {
  return (
    <Empty title="Choose an operation">
      <p>Each has its parameters, its answers with examples, and the mistakes it refuses. A GET is tried at once; what changes something asks first.</p>
      <p>
        Errors are <code>application/problem+json</code> with a code; those of Kafka Connect's paths have its shape. Lists have a <code>next_cursor</code>.
      </p>
    </Empty>
  );
}
