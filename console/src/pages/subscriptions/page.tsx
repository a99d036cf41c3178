// What is delivered to whom: webhooks, caches, search indexes, with lag and failures; and the form for a new one (?new=webhook).

import "./page.css";
import { usePolled } from "../../api/polled";
import type { Items, Subscription } from "../../api/types";
import { useActions } from "../../app/actions";
import { Page } from "../../app/page";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { command } from "../../text/command";
import { count } from "../../text/format";
import { holds } from "../../text/search";
import { look } from "../../text/states";
import { AsCommand } from "../../ui/as-command";
import { Empty } from "../../ui/empty";
import { Filter } from "../../ui/filter";
import { Loaded } from "../../ui/loading";
import { State } from "../../ui/state";
import { type Column, Table } from "../../ui/table";
import { Ago } from "../../ui/time";
import { SubscriptionForm, kindOf } from "./form";
import { KINDS } from "./options";

const ASK_MS = 5000;

const newHref = (kind: string) => `${ui.subscriptions()}?new=${kind}`;

const COLUMNS: Column<Subscription>[] = [
  { id: "name", title: "Subscription", by: (sub) => sub.name, cell: (sub) => <a href={ui.subscription(sub.name)}>{sub.name}</a> },
  { id: "type", title: "Type", by: (sub) => sub.type },
  { id: "state", title: "State", by: (sub) => look(sub.state).rank, cell: (sub) => <State state={sub.state} more={sub.problem?.code} title={sub.problem?.what} /> },
  { id: "topics", title: "Topics", cell: (sub) => <Topics of={sub.topics} /> },
  { id: "lag", title: "Lag", num: true, help: "Records that are not delivered yet", by: (sub) => sub.lag },
  { id: "delivered", title: "Delivered", num: true, help: "Since the service started", by: (sub) => sub.delivered },
  { id: "failed", title: "Failed tries", num: true, by: (sub) => sub.failed, cell: (sub) => <span class={sub.failed > 0 ? "say-warn" : undefined}>{count(sub.failed)}</span> },
  { id: "dead", title: "Dead", num: true, help: "Given up, kept as dead letters", by: (sub) => sub.dead, cell: (sub) => <span class={sub.dead > 0 ? "say-error" : undefined}>{count(sub.dead)}</span> },
  { id: "last", title: "Last delivery", by: (sub) => sub.last_delivery_ms, cell: (sub) => <Ago at={sub.last_delivery_ms} /> },
];

function Topics({ of }: { of: readonly string[] }) {
  const [first] = of;
  if (first === undefined) return <span class="muted">none yet</span>;
  return (
    <span title={of.slice(0, 50).join("\n")}>
      <a href={ui.topic(first)}>{first}</a>
      {of.length > 1 && <span class="muted"> and {of.length - 1} more</span>}
    </span>
  );
}

export default function Subscriptions() {
  const [making, setMaking] = useQuery("new", "", "push");
  const polled = usePolled<Items<Subscription>>(making ? null : "/v1/subscriptions", ASK_MS);
  const [text] = useQuery("q");
  useActions("new subscriptions", () => KINDS.map(([kind, title]) => ({ title: `New subscription: ${title}`, words: kind, run: () => setMaking(kind) })));
  if (making) {
    return (
      <Page title="New subscription" crumbs={[{ title: "Subscriptions", href: ui.subscriptions() }]}>
        <SubscriptionForm kind={kindOf(making)} onKind={setMaking} />
      </Page>
    );
  }
  return (
    <Page
      title="Subscriptions"
      lead="What is delivered to those who do not read topics themselves."
      actions={
        <a class="button primary" href={newHref("webhook")}>
          New subscription
        </a>
      }
    >
      <Loaded of={polled}>
        {({ items }) => (
          <>
            {items.length > 0 && (
              <div class="bar-row">
                <Filter label="Filter subscriptions" />
              </div>
            )}
            <Table
              caption="Subscriptions"
              rows={items.filter((sub) => holds(`${sub.name} ${sub.type} ${sub.state} ${sub.topics.join(" ")}`, text))}
              columns={COLUMNS}
              keyOf={(sub) => sub.name}
              sort="state"
              empty={text && items.length > 0 ? <p class="muted">No subscription holds “{text}”.</p> : <None />}
            />
            <AsCommand line={command("rowfeed", "subscriptions", "list")} call={{ path: "/v1/subscriptions" }} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function None() {
  return (
    <Empty
      title="No subscription yet"
      actions={KINDS.map(([kind, title]) => (
        <a key={kind} class="button" href={newHref(kind)}>
          {title}
        </a>
      ))}
    >
      <p>A subscription delivers the changes of topics to a receiver that does not read them by itself. It keeps its place, and tries again. What is it for?</p>
      {KINDS.map(([kind, title, help]) => (
        <p key={kind}>
          <b>{title}.</b> {help}
        </p>
      ))}
    </Empty>
  );
}
