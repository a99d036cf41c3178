// What can be done to a connector, by the verbs of Kafka Connect's API, and the same as commands.

import type { Call } from "../text/command";
import { command } from "../text/command";
import { post, put, seg } from "./client";

export type Verb = "pause" | "resume" | "stop" | "restart";

/** The request of a verb. */
export function callOf(verb: Verb, name: string): Call {
  const path = seg`/connectors/${name}/` + verb;
  return verb === "restart" ? { method: "POST", path: `${path}?includeTasks=true` } : { method: "PUT", path };
}

/** The command of a verb. */
export const lineOf = (verb: Verb, name: string): string => command("rowfeed", "connectors", verb, name);

export async function act(verb: Verb, name: string): Promise<void> {
  const { method, path } = callOf(verb, name);
  await (method === "POST" ? post(path) : put(path));
}

/** What it is afterwards, for the toast. */
export const DONE: Record<Verb, string> = { pause: "is paused", resume: "goes on", stop: "is stopped", restart: "starts again" };
