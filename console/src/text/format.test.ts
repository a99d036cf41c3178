import { expect, test } from "vitest";
import { absolute, bytes, clock, count, counted, duration, longDuration, percent, rate, relative } from "./format";

test("durations are one unit worth reading", () => {
  const said = [0, 41, 999, 1000, 2345, 9949, 12_000, 59_900, 60_000, 720_000, 3_600_000, 10_800_000, 172_800_000, 500_000_000].map(duration);
  expect(said).toEqual(["0 ms", "41 ms", "999 ms", "1 s", "2.3 s", "9.9 s", "12 s", "1 min", "1 min", "12 min", "1 h", "3 h", "2 d", "6 d"]);
  expect([duration(null), duration(undefined), duration(Number.NaN), duration(-5)]).toEqual(["–", "–", "–", "0 ms"]);
});

test("long durations have two units", () => {
  expect([80_000, 3_600_000, 11_100_000, 90_000_000].map(longDuration)).toEqual(["1 min 20 s", "1 h", "3 h 5 min", "1 d 1 h"]);
});

test("sizes are IEC", () => {
  const said = [0, 512, 1023, 1024, 1_048_575, 4_509_715_660, 107_374_182_400, -2048].map(bytes);
  expect(said).toEqual(["0 B", "512 B", "1023 B", "1 KiB", "1 MiB", "4.2 GiB", "100 GiB", "-2 KiB"]);
});

test("numbers and rates", () => {
  expect([count(1_204_118), count(null), counted(1, "table"), counted(3, "table")]).toEqual(["1,204,118", "–", "1 table", "3 tables"]);
  expect([0, 0.04, 0.4, 9.96, 12.5, 1187.2].map(rate)).toEqual(["0", "0", "0.4", "10", "13", "1,187"]);
});

test("per cent are never 100 before all is done, nor known without a whole", () => {
  expect([percent(61, 100), percent(999, 1000), percent(1000, 1000), percent(5, 0), percent(5, null), percent(null, 5)]).toEqual([61, 99, 100, null, null, null]);
});

test("times relate to now", () => {
  const now = Date.parse("2026-11-21T14:00:00Z");
  expect([relative(now - 720_000, now), relative(now + 4000, now), relative(now - 10, now), relative(null, now), relative("no time", now)]).toEqual([
    "12 min ago",
    "in 4 s",
    "now",
    "–",
    "–",
  ]);
});

test("times have a date where it is another day", () => {
  const now = Date.parse("2026-11-21T14:00:00Z");
  expect(clock("2026-11-21T13:02:11.482Z", "utc", now)).toBe("13:02:11.482");
  expect(clock("2026-11-20T13:02:11.482Z", "utc", now, false)).toBe("2026-11-20 13:02:11");
  expect(absolute("2026-11-21T13:02:11.482Z", "utc")).toBe("2026-11-21 13:02:11.482 UTC");
  expect(absolute("2026-11-21T13:02:11.482Z", "local")).toMatch(/^2026-11-2\d \d{2}:\d{2}:11\.482 [+-]\d{2}:\d{2}$/);
});
