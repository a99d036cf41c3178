// Sends the newest record that fits, once, and shows request and answer to the byte. Nothing is sent before somebody says so.

import { useState } from "preact/hooks";
import { useAct } from "../../api/act";
import { post, seg } from "../../api/client";
import type { Subscription } from "../../api/types";
import { ui } from "../../app/paths";
import { told } from "../../app/toasts";
import { command } from "../../text/command";
import { duration } from "../../text/format";
import { AsCommand } from "../../ui/as-command";
import { Code } from "../../ui/code";
import { Dialog } from "../../ui/dialog";
import { ProblemBox } from "../../ui/problem-box";

interface Attempt {
  webhook_id: string;
  topic: string;
  partition: number;
  offset: number;
  request: { method: string; url: string; headers: Record<string, string>; body: string };
  response: { status: number; headers: Record<string, string>; body: string } | null;
  error: string | null;
  duration_ms: number;
}

/** Longer than the longest timeout that is usual. */
const WAIT_MS = 120_000;

const succeeded = (attempt: Attempt | undefined) => Math.floor((attempt?.response?.status ?? 0) / 100) === 2;

const message = (first: string, headers: Record<string, string>, body: string) =>
  [first, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), "", body].join("\n");

export function TestFire({ of, onClose }: { of: Subscription; onClose: () => void }) {
  const [attempt, setAttempt] = useState<Attempt>();
  const { busy, problem, run } = useAct();
  const path = `${seg`/v1/subscriptions/${of.name}`}/test`;
  const send = () => {
    setAttempt(undefined);
    run(async () => {
      const made = await post<Attempt>(path, undefined, { timeoutMs: WAIT_MS });
      setAttempt(made);
      if (succeeded(made)) told(`Test of ${of.name}: answered ${made.response?.status}`);
    });
  };
  const ok = succeeded(attempt);
  return (
    <Dialog
      title={`Test ${of.name}`}
      onClose={onClose}
      wide
      close="Close"
      foot={
        <button type="button" class="primary" disabled={busy} onClick={send}>
          {busy ? "Sending …" : attempt ? "Send once more" : "Send the newest record"}
        </button>
      }
    >
      <p>
        The newest record that fits is sent to <code>{String(of.config["url"])}</code>, once, signed as always and with its own id. The place stays, and a failure is not tried again.
      </p>
      <div aria-live="polite">
        {problem && <ProblemBox problem={problem} what="Not sent" />}
        {attempt && (
          <p class={ok ? "say-ok" : "say-error"}>
            {ok ? "●" : "■"} {attempt.response ? `Answered ${attempt.response.status}` : `No answer: ${attempt.error ?? "the connection failed"}`} in {duration(attempt.duration_ms)}.{" "}
            <a href={ui.record(attempt.topic, attempt.partition, attempt.offset)}>
              {attempt.topic} {attempt.partition}:{attempt.offset}
            </a>
          </p>
        )}
      </div>
      {attempt && (
        <div class="exchange">
          <section>
            <h3>Request</h3>
            <Code text={message(`${attempt.request.method} ${attempt.request.url}`, attempt.request.headers, attempt.request.body)} what="the request" />
          </section>
          <section>
            <h3>Answer</h3>
            <Code text={attempt.response ? message(`HTTP ${attempt.response.status}`, attempt.response.headers, attempt.response.body) : (attempt.error ?? "no answer")} what="the answer" />
          </section>
        </div>
      )}
      <AsCommand line={command("rowfeed", "subscriptions", "test", of.name)} call={{ method: "POST", path }} />
    </Dialog>
  );
}
