// What was sent and what was answered, as far as the log remembers it. All of it is text, whatever it holds.

import type { Subscription } from "../../api/types";
import { ui } from "../../app/paths";
import { Code } from "../../ui/code";
import { Facts } from "../../ui/facts";
import { Ago, Clock } from "../../ui/time";
import type { Delivery } from "./outcomes";

export function Exchange({ of, sub }: { of: Delivery; sub: Subscription }) {
  const request = [`POST ${String(sub.config["url"] ?? "")}`, "content-type: application/json", `webhook-id: ${of.webhook_id}`].join("\n");
  const response = [of.status === null ? "(no answer)" : `HTTP ${of.status}`, ...(of.response_head ? ["", of.response_head] : [])].join("\n");
  return (
    <div class="stack">
      <div class="exchange">
        <section>
          <h3>Request</h3>
          <Code text={request} what="the request's head" />
          <p class="muted">
            Each try has its own timestamp and signature, which are not kept. The body is made of{" "}
            <a href={ui.record(of.topic, of.partition, of.offset)}>this record</a>; a test shows one to the byte.
          </p>
        </section>
        <section>
          <h3>Answer</h3>
          <Code text={response} what="the answer" />
          {!of.response_head && <p class="muted">{of.state === "delivered" ? "What is answered to a delivery that succeeds is not kept." : "No body came."}</p>}
        </section>
      </div>
      <Facts
        of={[
          ["Tried", <Clock at={of.at} />],
          ["Try", of.attempt],
          ["Error", of.error],
          ["Next try", of.next_at ? <Ago at={of.next_at} /> : null],
        ]}
      />
    </div>
  );
}
