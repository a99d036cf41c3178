import { expect, test } from "vitest";
import type { Line } from "../../text/change";
import { Meter, ROWS_MOST, came, shown, tailOf } from "./tail";

const line = (offset: number, partition = 0): Line => ({ id: `${partition}:${offset}`, partition, offset, at: 0, key: null, op: "u", isTombstone: false, text: "" });
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i));
const ids = (rows: readonly Line[]) => rows.map((row) => row.id);

test("new records are on top, and one that comes twice is there once", () => {
  let tail = tailOf([line(5), line(4), line(9, 1)]);
  tail = came(tail, [line(5), line(6), line(7), line(9, 1), line(10, 1)], false);
  expect(ids(tail.rows)).toEqual(["1:10", "0:7", "0:6", "0:5", "0:4", "1:9"]);
  expect(came(tail, [line(6)], false)).toBe(tail);
});

test("a list that somebody reads stands still", () => {
  const before = tailOf([line(1)]);
  let tail = came(before, [line(2), line(3)], true);
  expect(tail.rows).toBe(before.rows);
  expect(tail.heldCount).toBe(2);
  expect(ids(shown(tail).rows)).toEqual(["0:3", "0:2", "0:1"]);
  tail = came(tail, [line(4)], false);
  expect(ids(tail.rows)).toEqual(["0:4", "0:3", "0:2", "0:1"]);
  expect(tail.heldCount).toBe(0);
});

test("neither what is shown nor what waits grows without end", () => {
  let tail = came(tailOf([]), lines(0, 2000), false);
  expect(tail.rows.length).toBe(ROWS_MOST);
  expect(tail.rows[0]?.offset).toBe(1999);
  for (let at = 2000; at < 4000; at += 100) tail = came(tail, lines(at, at + 100), true);
  expect(tail.held.length).toBe(ROWS_MOST);
  expect(tail.heldCount).toBe(2000);
  tail = shown(tail);
  expect(tail.rows.length).toBe(ROWS_MOST);
  expect(tail.rows[0]?.offset).toBe(3999);
});

test("a rate is of the last whole seconds", () => {
  const meter = new Meter();
  for (let second = 0; second < 10; second += 1) {
    meter.add(200, 0, second * 1000 + 500);
    // It comes once a second, at any moment of it: of the last second it has not come yet.
    if (second < 9) meter.add(0, 1004, (second + 1) * 1000 + 700);
  }
  expect(meter.read(10_100)).toEqual({ shown: 200, all: 1204 });
  expect(meter.read(60_000)).toEqual({ shown: 0, all: 0 });
});
