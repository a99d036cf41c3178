import { describe, expect, test } from "vitest";
import { diffOf, diffOfView, envelopeOf, isPlaceholder, keyText, opWord, same, summary, valueText } from "./diff";

const kinds = (columns: ReturnType<typeof diffOf>) => Object.fromEntries(columns.map((one) => [one.column, one.kind]));

describe("an update", () => {
  test("tells changed from unchanged, and null from a value", () => {
    const columns = diffOf({ op: "u", before: { id: 42, status: "pending", paid_at: null }, after: { id: 42, status: "paid", paid_at: "14:02:11" } });
    expect(kinds(columns)).toEqual({ id: "unchanged", status: "changed", paid_at: "changed" });
    expect(summary("u", columns)).toBe("status pending → paid · paid_at null → 14:02:11");
  });
  test("tells a large value that PostgreSQL did not send", () => {
    const columns = diffOf({ op: "u", before: { id: 1, a: 1, doc: "old" }, after: { id: 1, a: 2, doc: "__debezium_unavailable_value" } });
    expect(kinds(columns)).toEqual({ id: "unchanged", a: "changed", doc: "not-sent" });
    expect(summary("u", columns)).toBe("a 1 → 2");
  });
  test("knows what the API lists as not sent, also where the row lacks it", () => {
    const columns = diffOf({ op: "u", before: { id: 1 }, after: { id: 1 } }, { unavailable: ["doc"] });
    expect(kinds(columns)).toEqual({ id: "unchanged", doc: "not-sent" });
  });
  test("without an old row says that the old values are not known", () => {
    const columns = diffOf({ op: "u", before: null, after: { id: 1, a: null } });
    expect(kinds(columns)).toEqual({ id: "set", a: "set" });
    expect(columns[0]?.before).toEqual({ is: "unknown" });
    expect(summary("u", columns)).toBe("now id 1 · a null");
  });
  test("with an old key only says so for the other columns", () => {
    const columns = diffOf({ op: "u", before: { id: 1, a: null }, after: { id: 2, a: 5 } }, { beforeComplete: false, key: { id: 2 } });
    expect(kinds(columns)).toEqual({ id: "changed", a: "set" });
  });
  test("that changes nothing says so", () => {
    expect(summary("u", diffOf({ op: "u", before: { id: 1 }, after: { id: 1 } }))).toBe("no column changed");
  });
});

test("an insert adds, a delete removes, a truncate has no columns", () => {
  expect(kinds(diffOf({ op: "c", before: null, after: { id: 1 } }))).toEqual({ id: "added" });
  const gone = diffOf({ op: "d", before: { id: 1, a: "x" }, after: null });
  expect(kinds(gone)).toEqual({ id: "removed", a: "removed" });
  expect(summary("d", gone)).toBe("was id 1 · a x");
  expect(summary("t", diffOf({ op: "t", before: null, after: null }))).toBe("truncated");
});

test("the API's diff view comes to the same", () => {
  const columns = diffOfView({ op: "u", changed: { status: ["paid", "shipped"] }, unavailable: ["doc"] });
  expect(kinds(columns)).toEqual({ status: "changed", doc: "not-sent" });
  expect(summary("u", columns)).toBe("status paid → shipped");
  const now = diffOfView({ op: "u", changed: null, row: { id: 1, city: "Brno" } });
  expect(summary("u", now)).toBe("now id 1 · city Brno");
  expect(summary("c", diffOfView({ op: "c", changed: { id: [null, 7] } }))).toBe("id 7");
});

test("an envelope is found bare and within its schema, and nothing else is one", () => {
  const bare = { op: "c", before: null, after: { id: 1 } };
  expect(envelopeOf(bare)).toEqual(bare);
  expect(envelopeOf({ schema: {}, payload: bare })).toEqual(bare);
  expect(envelopeOf(null)).toBeNull();
  expect(envelopeOf({ op: "sell" })).toBeNull();
  expect(envelopeOf([1])).toBeNull();
});

test("placeholders are known as text, as bytes and in arrays", () => {
  expect(isPlaceholder("__debezium_unavailable_value")).toBe(true);
  expect(isPlaceholder(btoa("__debezium_unavailable_value"))).toBe(true);
  expect(isPlaceholder(["__debezium_unavailable_value"])).toBe(true);
  expect(isPlaceholder("a value")).toBe(false);
});

test("values are the same whatever the order of their fields", () => {
  expect(same({ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 })).toBe(true);
  expect(same([1], { 0: 1 })).toBe(false);
  expect(same(null, {})).toBe(false);
});

test("keys are one line", () => {
  expect(keyText({ id: 42 })).toBe("id=42");
  expect(keyText({ order_id: 1, line: 2 })).toBe("order_id=1 line=2");
  expect(keyText({ schema: {}, payload: { id: 1 } })).toBe("id=1");
  expect(keyText("k")).toBe("k");
  expect(keyText(null)).toBe("–");
});

test("long values are cut, operations have words, many columns are left out", () => {
  expect(valueText("x".repeat(100), 10)).toBe(`${"x".repeat(9)}…`);
  expect(valueText("a\n b")).toBe("a b");
  expect([opWord("r"), opWord("x"), opWord(null)]).toEqual(["READ", "X", "–"]);
  const wide = diffOf({ op: "c", before: null, after: { a: 1, b: 2, c: 3, d: 4, e: 5 } });
  expect(summary("c", wide)).toBe("a 1 · b 2 · c 3 · d 4 …");
});
