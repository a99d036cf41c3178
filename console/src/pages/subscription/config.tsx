// A subscription's options as the file's TOML, secrets masked; changed by the form where it was made by the API.

import type { Subscription } from "../../api/types";
import { ui } from "../../app/paths";
import { useQuery } from "../../app/query";
import { Code } from "../../ui/code";
import { SubscriptionForm, kindOf } from "../subscriptions/form";
import { type Config as Options, toToml } from "../subscriptions/toml";

export function Config({ of }: { of: Subscription }) {
  const [editing] = useQuery("edit");
  if (editing && of.file === null) return <SubscriptionForm key={of.name} of={of} kind={kindOf(of.type)} />;
  return (
    <>
      <Code text={toToml(of.name, of.config as Options)} what="the TOML" />
      <p class="muted">Secrets, passwords, values of headers and the path of a webhook's URL are not shown.</p>
      {of.file === null ? (
        <p>
          <a class="button" href={`${ui.subscription(of.name)}?tab=config&edit=1`}>
            Change …
          </a>
        </p>
      ) : (
        <p>
          It is defined in <code>{of.file}</code>: change it there. Rowfeed takes changes over while it runs.
        </p>
      )}
    </>
  );
}
