import { expect, test } from "vitest";
import { NOTHING, condition, filePath, keyParam, pagePath, tailCommand } from "./asked";

test("a page is asked for by all filters, or by its cursor", () => {
  expect(pagePath("a/b", NOTHING)).toBe("/v1/topics/a%2Fb/records?format=json&view=diff&from=latest&direction=backward&limit=50");
  expect(pagePath("t", { ...NOTHING, from: "now-5m", partition: "2", op: "u,d", where: "total > 100", key: '{"id":42}' })).toBe(
    "/v1/topics/t/records?format=json&view=diff&from=now-5m&partition=2&direction=forward&op=u%2Cd&where=total+%3E+100&key=%7B%22id%22%3A42%7D&limit=50",
  );
  expect(pagePath("t", { ...NOTHING, cursor: "nb0:1793", op: "u" })).toBe("/v1/topics/t/records?format=json&view=diff&cursor=nb0%3A1793&op=u&limit=50");
});

test("a bare key is that of the topic's one key column", () => {
  expect(keyParam("42", { id: 7 })).toBe('{"id":42}');
  expect(keyParam("9007199254740993", { id: 7 })).toBe('{"id":9007199254740993}');
  expect(keyParam("42", { code: "a" })).toBe('{"code":"42"}');
  expect(keyParam("abc", { id: 7 })).toBe('{"id":"abc"}');
  expect(keyParam(' {"a":1,"b":2} ', { a: 7, b: 8 })).toBe('{"a":1,"b":2}');
  expect(keyParam("42", { a: 7, b: 8 })).toBe("42");
  expect(keyParam("", { id: 7 })).toBe("");
});

test("all filters are one condition where only one is known", () => {
  expect(condition(NOTHING)).toBe("");
  expect(condition({ ...NOTHING, where: " total > 1 or x " })).toBe("total > 1 or x");
  expect(condition({ op: "c,u", key: '{"id":42}', where: "a or b" })).toBe("op in ('c', 'u') and key.id = 42 and (a or b)");
  expect(condition({ op: "", key: '{"Odd \\"x":"it\'s","n":null}', where: "" })).toBe(`key."Odd ""x" = 'it''s' and key.n is null`);
  expect(condition({ op: "", key: "no columns", where: "a" })).toBe("a");
});

test("a file and a command ask for the same", () => {
  const asked = { ...NOTHING, op: "d", partition: "1" };
  expect(filePath("t", asked, { format: "csv", view: "flat", from: "start", limit: "10" })).toBe(
    "/v1/topics/t/records?format=csv&view=flat&from=start&partition=1&where=op+in+%28%27d%27%29&limit=10",
  );
  expect(tailCommand("t", { ...NOTHING, where: "it = 'x'" }, { follow: true })).toBe(`rowfeed tail t --where 'it = '\\''x'\\'''`);
  expect(tailCommand("t", asked)).toBeUndefined();
  expect(tailCommand("t", { ...NOTHING, from: "now-5m" })).toBe("rowfeed tail t --from now-5m --no-follow");
});
