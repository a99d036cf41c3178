// The states that things are in: word, shape and colour of each. Shape and word always stand together, colour alone says nothing.

export type Tone = "ok" | "warn" | "error" | "info" | "snapshot" | "muted";

export interface Look {
  shape: string;
  tone: Tone;
  word: string;
  /** Where it stands in a list sorted by trouble, the worst first. */
  rank: number;
}

const LOOKS: Record<string, Look> = {
  failed: { shape: "■", tone: "error", word: "failed", rank: 0 },
  waiting: { shape: "▲", tone: "warn", word: "waiting", rank: 1 },
  starting: { shape: "◌", tone: "info", word: "starting", rank: 2 },
  snapshot: { shape: "◐", tone: "snapshot", word: "snapshot", rank: 3 },
  reading: { shape: "◐", tone: "snapshot", word: "reading", rank: 3 },
  draining: { shape: "◌", tone: "info", word: "draining", rank: 2 },
  paused: { shape: "Ⅱ", tone: "muted", word: "paused", rank: 4 },
  stopped: { shape: "○", tone: "muted", word: "stopped", rank: 5 },
  streaming: { shape: "●", tone: "ok", word: "streaming", rank: 6 },
  running: { shape: "●", tone: "ok", word: "running", rank: 6 },
};

/** Other words of the API for the same things. */
const SAME: Record<string, string> = {
  snapshotting: "snapshot",
  created: "starting",
};

/** How a state looks; one that is not known keeps its own word. */
export function look(state: string): Look {
  return LOOKS[SAME[state] ?? state] ?? { shape: "◇", tone: "muted", word: state, rank: 7 };
}

/** The states a connector can be in, for filters, the worst first. */
export const CONNECTOR_STATES = ["failed", "waiting", "starting", "snapshot", "paused", "stopped", "streaming"] as const;
