// A line that reads a topic of this very service as a group of Kafka's. Promises the address that Kafka clients are told to use.

import { usePolled } from "../api/polled";
import type { Status } from "../api/types";
import { command } from "../text/command";
import { Code } from "./code";

export function Kcat({ topic }: { topic: string }) {
  const { data } = usePolled<Status>("/v1/status");
  if (!data) return null;
  if (!data.kafka) return <p>This service has no address for Kafka clients yet: kafka.listen in its settings is one.</p>;
  return <Code text={command("kcat", "-b", data.kafka.address, "-G", "my-group", topic)} what="the command" />;
}
