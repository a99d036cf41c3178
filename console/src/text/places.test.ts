import { expect, test } from "vitest";
import { parsePlace } from "./places";

test("places are those of the command line", () => {
  const kind = (text: string) => {
    const parsed = parsePlace(text);
    return "place" in parsed ? parsed.place.kind : "mistake";
  };
  const all = ["start", "earliest", "beginning", "end", "latest", "-100", "+100", "offset:1842", "0:1842,1:77", "now-5m", "-5m@", "now"];
  expect(all.map(kind)).toEqual(["start", "start", "start", "end", "end", "before-end", "after-start", "offset", "offsets", "ago", "ago", "ago"]);
  expect(["2026-11-21", "2026-11-21T14:00:00Z", "1700000000000", "lsn:0/1a2b3c8", "tx:8812"].map(kind)).toEqual(["time", "time", "time", "lsn", "tx"]);
  expect(["", "yesterday", "0:1,0:2", "offset:-1", "2026-13-41", "lsn:1", "now-5y", "1842"].map(kind)).toEqual(Array(8).fill("mistake"));
  expect(parsePlace("now-5m")).toEqual({ place: { kind: "ago", ms: 300_000 } });
});
