import { expect, test } from "vitest";
import { align, growth, timeLeft } from "./series";

const point = (second: number, value: number | null) => ({ ts: new Date(second * 1000).toISOString(), value });

test("series are put on one line of times", () => {
  const { times, values } = align([[point(10, 1), point(20, 2)], [point(20, 5), point(30, null)]]);
  expect(times).toEqual([10_000, 20_000, 30_000]);
  expect(values).toEqual([
    [1, 2, null],
    [null, 5, null],
  ]);
  expect(align([])).toEqual({ times: [], values: [] });
});

test("the time that is left is known where something grows towards a limit", () => {
  expect(growth([point(0, 100), point(10, null), point(20, 200), point(30, 400)])).toBe(10);
  expect(growth([point(0, 100), point(10, 200)])).toBeNull();
  expect(timeLeft(3600, 10)).toBe(360_000);
  expect([timeLeft(null, 10), timeLeft(100, null), timeLeft(100, -1), timeLeft(100, 0)]).toEqual([null, null, null, null]);
});
