import { expect, test } from "vitest";
import { columnsOf, lineOf } from "./change";

const at = { partition: 0, offset: 7, ts: "2026-11-22T09:52:44.469Z", key: { id: 1 } };

test("a page's record and the socket's are the same line", () => {
  const view = { op: "u", changed: { status: ["pending", "paid"] }, unavailable: [], before_complete: true };
  const line = { id: "0:7", partition: 0, offset: 7, at: Date.parse(at.ts), op: "u", isTombstone: false, text: "status pending → paid" };
  expect(lineOf({ ...at, op: "u", tombstone: false, value: { ...at, ...view } })).toMatchObject(line);
  expect(lineOf({ ...at, ...view })).toMatchObject(line);
});

test("the columns of the key are not said twice", () => {
  const changed = { id: [null, 1], total: [null, "9.50"] };
  expect(lineOf({ ...at, op: "c", changed }).text).toBe("total 9.50");
  expect(lineOf({ ...at, op: "d", changed: { id: [1, null] } }).text).toBe("only the key is known");
});

test("tombstones and records that are no changes have lines, too", () => {
  expect(lineOf({ ...at, value: null, tombstone: true })).toMatchObject({ op: null, isTombstone: true });
  expect(lineOf({ ...at, value: { op: null, changed: null, row: { ts_ms: 5 } } })).toMatchObject({ op: null, text: '{"ts_ms":5}' });
  expect(lineOf({ ...at, value: "some text" }).text).toBe("some text");
});

test("markup in a value is text like any other", () => {
  expect(lineOf({ ...at, op: "u", changed: { a: ["<img src=x onerror=alert(1)>", "b"] } }).text).toBe("a <img src=x onerror=aler… → b");
});

test("columns that did not change come from the stored row", () => {
  const view = { op: "u", changed: { a: ["x", "y"] }, unavailable: [], before_complete: true };
  const stored = { op: "u", before: { id: 1, a: "x", n: null }, after: { id: 1, a: "y", n: null } };
  expect(columnsOf(view, stored, at.key).map((one) => [one.column, one.kind])).toEqual([
    ["id", "unchanged"],
    ["a", "changed"],
    ["n", "unchanged"],
  ]);
});

test("a delete's made-up old values are not known", () => {
  const view = { op: "d", changed: { id: [1, null] }, unavailable: [], before_complete: false };
  const stored = { op: "d", before: { id: 1, b: "", n: 0 }, after: null };
  expect(columnsOf(view, stored, at.key).map((one) => [one.column, one.before.is])).toEqual([
    ["id", "value"],
    ["b", "unknown"],
    ["n", "unknown"],
  ]);
});

test("null, not sent and not known are three things", () => {
  const view = { op: "u", changed: null, row: { id: 1, n: null }, unavailable: ["big"], before_complete: false };
  const stored = { op: "u", before: null, after: { id: 1, n: null, big: "__debezium_unavailable_value" } };
  const columns = columnsOf(view, stored, at.key);
  expect(columns.map((one) => [one.column, one.kind, one.before.is, one.after.is])).toEqual([
    ["id", "unchanged", "value", "value"],
    ["n", "set", "unknown", "value"],
    ["big", "not-sent", "unknown", "not-sent"],
  ]);
});
