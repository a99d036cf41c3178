import { expect, test } from "vitest";
import { command, curl, quote, sqlTable } from "./command";
import { parsePlace } from "./places";
import { best, holds } from "./search";
import { look } from "./states";

test("words of a shell are taken as they are", () => {
  expect(["shop", "a b", "", "it's", "$(rm -rf ~)", "`x`", "a;b", "*", "~"].map(quote)).toEqual([
    "shop",
    "'a b'",
    "''",
    "'it'\\''s'",
    "'$(rm -rf ~)'",
    "'`x`'",
    "'a;b'",
    "'*'",
    "'~'",
  ]);
  expect(command("rowfeed", "connectors", "pause", "my shop")).toBe("rowfeed connectors pause 'my shop'");
});

test("requests are curl lines, and a token is named and not shown", () => {
  expect(curl("http://127.0.0.1:8083", { path: "/v1/slots" })).toBe("curl http://127.0.0.1:8083/v1/slots");
  expect(curl("http://h", { method: "POST", path: "/v1/check?a=1&b=2", body: { url: "it's" }, token: true })).toBe(
    `curl -X POST 'http://h/v1/check?a=1&b=2' -H "Authorization: Bearer $ROWFEED_TOKEN" -H 'Content-Type: application/json' -d '{"url":"it'\\''s"}'`,
  );
});

test("names in SQL are quoted where they must be", () => {
  expect([sqlTable("public.orders"), sqlTable('public.Or"ders'), sqlTable("a.b.c")]).toEqual(["public.orders", 'public."Or""ders"', 'a."b.c"']);
});

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

test("search finds all words, beginnings first", () => {
  const names = ["shop.public.orders", "orders", "order_items", "billing"];
  expect(best(names, "ord", (name) => name, 3)).toEqual(["orders", "order_items", "shop.public.orders"]);
  expect(best(names, "shop ord", (name) => name, 3)).toEqual(["shop.public.orders"]);
  expect(best(names, "", (name) => name, 2)).toEqual(["shop.public.orders", "orders"]);
  expect([holds("Shop Orders", "ord shop"), holds("shop", "x")]).toEqual([true, false]);
});

test("states have shapes, and an unknown one keeps its word", () => {
  expect([look("streaming").shape, look("waiting").shape, look("created").word, look("odd").word]).toEqual(["●", "▲", "starting", "odd"]);
});
