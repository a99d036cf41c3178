// How much WAL the servers keep for the connectors. Pure.

import type { Connector } from "../../api/types";

/** Slots of one server keep the same WAL: as much as the one that is furthest behind. A server that is not known to keep any is left out. */
export function heldByServer(of: readonly Pick<Connector, "source" | "slot_retained_bytes">[]): number[] {
  const most = new Map<string, number>();
  for (const { source, slot_retained_bytes: held } of of) {
    // A host may be a folder.
    const server = source.slice(0, source.lastIndexOf("/"));
    if (held !== null) most.set(server, Math.max(held, most.get(server) ?? 0));
  }
  return [...most.values()];
}
