// Where to begin reading: the grammar of offsets that the command line, the API and the console share. Only says what a text means and
// whether it can be understood; finding the place is the service's.

export type Place =
  | { kind: "start" }
  | { kind: "end" }
  | { kind: "before-end"; records: number }
  | { kind: "after-start"; records: number }
  | { kind: "offset"; offset: number }
  | { kind: "offsets"; of: ReadonlyMap<number, number> }
  | { kind: "ago"; ms: number }
  | { kind: "time"; at: number }
  | { kind: "lsn"; lsn: string }
  | { kind: "tx"; tx: number };

export type Parsed = { place: Place } | { mistake: string };

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** What a person may type, for help texts. */
export const EXAMPLES = ["latest", "earliest", "-100", "+100", "now-5m", "2026-11-21T14:00:00Z", "offset:1842", "0:1842,1:77", "lsn:0/1A2B3C8", "tx:8812"];

export function parsePlace(text: string): Parsed {
  const asked = text.trim();
  const place = placeOf(asked);
  return place ? { place } : { mistake: asked === "" ? "say where to begin: latest, earliest, -100, now-5m, a time" : `"${asked}" is no place: try latest, earliest, -100, now-5m, offset:1842, or a time` };
}

function placeOf(text: string): Place | null {
  if (/^(start|earliest|beginning)$/i.test(text)) return { kind: "start" };
  if (/^(end|latest)$/i.test(text)) return { kind: "end" };
  const relative = /^([-+])(\d{1,15})$/.exec(text);
  if (relative) return { kind: relative[1] === "-" ? "before-end" : "after-start", records: Number(relative[2]) };
  const offset = /^offset:(\d{1,15})$/.exec(text);
  if (offset) return { kind: "offset", offset: Number(offset[1]) };
  if (/^\d{1,9}:\d{1,15}(,\d{1,9}:\d{1,15})*$/.test(text)) {
    const of = new Map<number, number>();
    for (const one of text.split(",")) {
      const [partition, at] = one.split(":").map(Number) as [number, number];
      if (of.has(partition)) return null;
      of.set(partition, at);
    }
    return { kind: "offsets", of };
  }
  const ago = /^now(?:-(\d{1,9})(ms|s|m|h|d|w))?$/.exec(text) ?? /^-(\d{1,9})(ms|s|m|h|d|w)@$/.exec(text);
  if (ago) return { kind: "ago", ms: ago[1] === undefined ? 0 : Number(ago[1]) * (UNITS[ago[2] ?? ""] ?? 0) };
  const lsn = /^lsn:([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})$/.exec(text);
  if (lsn) return { kind: "lsn", lsn: (lsn[1] ?? "").toUpperCase() };
  const tx = /^tx:(\d{1,15})$/.exec(text);
  if (tx) return { kind: "tx", tx: Number(tx[1]) };
  if (/^\d{12,15}$/.test(text)) return { kind: "time", at: Number(text) };
  if (/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(text)) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? null : { kind: "time", at };
  }
  return null;
}
