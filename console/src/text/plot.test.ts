import { expect, test } from "vitest";
import { nearest, path, runs, timeTicks } from "./plot";

const spot = (value: number, i: number) => [i * 10, value] as const;

test("a gap begins a new run", () => {
  expect(runs([1, null, 2, 3, undefined], spot)).toEqual([[[0, 1]], [[20, 2], [30, 3]]]);
  expect(runs([null], spot)).toEqual([]);
});

test("a value alone is a short dash, not nothing", () => {
  expect(path(runs([5, null, 1, 2], spot))).toBe("M-1.0 5.0h2M20.0 1.0L30.0 2.0");
});

test("an area goes down to its base and back", () => {
  expect(path(runs([1, 2], spot), 9)).toBe("M0.0 1.0L10.0 2.0L10.0 9.0L0.0 9.0Z");
});

const MINUTE = 60_000;

test("ticks are round, few, and within", () => {
  const { step, ticks } = timeTicks(61_000, 15 * MINUTE + 61_000, 8, 0);
  expect(step).toBe(2 * MINUTE);
  expect(ticks).toEqual([2, 4, 6, 8, 10, 12, 14, 16].map((n) => n * MINUTE));
});

test("ticks are round in a zone that is half an hour off", () => {
  const offset = 5.5 * 60 * MINUTE;
  const { step, ticks } = timeTicks(0, 24 * 60 * MINUTE, 6, offset);
  expect(step).toBe(240 * MINUTE);
  expect(ticks.every((at) => (at + offset) % step === 0)).toBe(true);
  expect(ticks).toHaveLength(6);
});

test("a range of weeks has days, and no more of them than wished", () => {
  expect(timeTicks(0, 30 * 24 * 60 * MINUTE, 6, 0).ticks.length).toBeLessThanOrEqual(7);
});

test("no time at all is one tick at most", () => {
  expect(timeTicks(1500, 1500, 6, 0).ticks).toEqual([]);
});

test("the nearest time wins, the first of two", () => {
  expect(nearest([0, 10, 20], 14)).toBe(1);
  expect(nearest([0, 10], 5)).toBe(0);
  expect(nearest([], 5)).toBe(0);
});
