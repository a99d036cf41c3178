// Tokens: who may do what over HTTP. A token's secret is shown once, in the dialog that made it, and is kept nowhere here.

import { useState } from "preact/hooks";
import { useAct } from "../../api/act";
import { del, post, seg } from "../../api/client";
import { usePolled } from "../../api/polled";
import type { Token } from "../../api/types";
import { session } from "../../app/session";
import { told } from "../../app/toasts";
import { command } from "../../text/command";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Confirm } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { Empty } from "../../ui/empty";
import { Field } from "../../ui/field";
import { Loaded } from "../../ui/loading";
import { ProblemBox } from "../../ui/problem-box";
import { type Column, Table } from "../../ui/table";
import { Ago } from "../../ui/time";
import { SCOPES, scopesOf } from "./scopes";

export function Tokens() {
  const polled = usePolled<{ items: Token[] }>("/v1/tokens");
  const [making, setMaking] = useState(false);
  const [revoke, setRevoke] = useState<Token>();
  const auth = session.value?.auth;
  const columns: Column<Token>[] = [
    { id: "name", title: "Token", by: (token) => token.name },
    { id: "scopes", title: "May", cell: (token) => <code>{token.scopes.join(", ")}</code> },
    { id: "created", title: "Made", by: (token) => token.created_ms, cell: (token) => <Ago at={token.created_ms} /> },
    {
      id: "revoke",
      title: "Action",
      cell: (token) => (
        <button type="button" class="danger" aria-label={`Revoke ${token.name} …`} onClick={() => setRevoke(token)}>
          Revoke …
        </button>
      ),
    },
  ];
  return (
    <>
      {auth === "loopback" && (
        <p class="muted">
          http.auth is <code>loopback</code>: whoever is on the machine of the service needs no token, and nobody else gets in. Tokens that are made now count as soon as it is <code>token</code>.
        </p>
      )}
      <Loaded of={polled}>
        {({ items }) => (
          <>
            <div class="row">
              <button type="button" class="primary" onClick={() => setMaking(true)}>
                New token …
              </button>
            </div>
            <Table
              caption="Tokens"
              rows={items}
              columns={columns}
              keyOf={(token) => token.name}
              sort="name"
              empty={<Empty title="No tokens">A token lets a program, or a person with a browser, do what its scopes say. Give each its own, so that one can be revoked.</Empty>}
            />
            <AsCommand line={command("rowfeed", "tokens", "list")} call={{ path: "/v1/tokens" }} />
          </>
        )}
      </Loaded>
      {making && <NewToken onClose={() => setMaking(false)} onDone={polled.again} />}
      {revoke && (
        <Confirm
          title={`Revoke ${revoke.name}?`}
          verb="Revoke"
          danger
          act={() => del(seg`/v1/tokens/${revoke.name}`)}
          done={`${revoke.name} is revoked`}
          onClose={() => setRevoke(undefined)}
          onDone={polled.again}
        >
          <p>Whoever uses it is refused from now on, and pages that logged in with it are logged out.{revoke.name === session.value?.name && <b> It is the one that you are logged in with.</b>}</p>
          <AsCommand line={command("rowfeed", "tokens", "revoke", revoke.name)} call={{ method: "DELETE", path: seg`/v1/tokens/${revoke.name}` }} />
        </Confirm>
      )}
    </>
  );
}

function NewToken({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [pattern, setPattern] = useState("");
  const [secret, setSecret] = useState("");
  const { busy, problem, run } = useAct();
  const scopes = scopesOf(chosen, pattern);
  const body = { name, scopes };
  const make = () =>
    run(async () => {
      const made = await post<{ token: string }>("/v1/tokens", body);
      setSecret(made.token);
      told(`The token ${name} is made`);
      onDone();
    });
  const choose = (scope: string, on: boolean) => {
    const next = new Set(chosen);
    if (on) next.add(scope);
    else next.delete(scope);
    setChosen(next);
  };
  if (secret) {
    return (
      <Dialog title={`The token ${name}`} onClose={onClose} close="Done">
        <p>
          <b>This is the only time it is shown.</b> Copy it to where it is used; the service keeps a hash of it.
        </p>
        <Code text={secret} what="the token" />
        <p class="muted">
          Programs send it as <code>Authorization: Bearer …</code>; the command line reads it from ROWFEED_TOKEN.
        </p>
      </Dialog>
    );
  }
  const words = scopes.flatMap((scope) => ["--scope", scope]);
  return (
    <Dialog
      title="New token"
      onClose={onClose}
      foot={
        <button type="button" class="primary" disabled={busy || name === "" || scopes.length === 0} onClick={make}>
          {busy ? "…" : "Make it"}
        </button>
      }
    >
      <Field label="Name" help="For the list: who uses it.">
        {(ids) => <input {...ids} type="text" autofocus autocomplete="off" spellcheck={false} value={name} onInput={(event) => setName(event.currentTarget.value.trim())} />}
      </Field>
      <fieldset class="choices">
        <legend class="field-label">May</legend>
        {SCOPES.map(([scope, may]) => (
          <label key={scope}>
            <input type="checkbox" checked={chosen.has(scope)} disabled={scope !== "admin" && chosen.has("admin")} onChange={(event) => choose(scope, event.currentTarget.checked)} />
            <code>{scope}</code> <span class="muted">{may}</span>
          </label>
        ))}
      </fieldset>
      <Field label="Or read these topics only" help="A name, or a pattern with *">
        {(ids) => <input {...ids} type="text" class="mono" placeholder="shop.public.*" spellcheck={false} disabled={chosen.has("admin") || chosen.has("read:topics")} value={pattern} onInput={(event) => setPattern(event.currentTarget.value)} />}
      </Field>
      {problem && <ProblemBox problem={problem} what="Not made" />}
      <AsCommand line={command("rowfeed", "tokens", "create", name || "NAME", ...words)} call={{ method: "POST", path: "/v1/tokens", body }} />
    </Dialog>
  );
}
