import { expect, test } from "vitest";
import { EXAMPLES, placeMistake } from "./places";

const isPlace = (text: string) => placeMistake(text) === undefined;

test("places are those of the command line", () => {
  const ends = ["start", "earliest", "beginning", "end", "latest", "LATEST"];
  const offsets = ["-100", "+100", "offset:1842", "0:1842,1:77", "0:1"];
  const times = ["now-5m", "-5m@", "now", "now-250ms", "2026-11-21", "2026-11-21T14:00:00Z", "1700000000000"];
  const log = ["lsn:0/1a2b3c8", "lsn:0/1A2B3C8", "tx:8812"];
  expect([...ends, ...offsets, ...times, ...log, ...EXAMPLES].filter((text) => !isPlace(text))).toEqual([]);
});

test("what is no place is told", () => {
  const none = ["", "yesterday", "0:1,0:2", "offset:-1", "2026-13-41", "lsn:1", "now-5y", "1842", "-5m", "latest 1", "NOW-5m"];
  expect(none.filter(isPlace)).toEqual([]);
  expect(placeMistake("")).toContain("say where");
  expect(placeMistake(" now-5m ")).toBeUndefined();
});
