import { expect, test } from "vitest";
import { command, curl, quote, sqlTable } from "./command";

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
  expect([sqlTable('public.a\nb -- c\\"'), sqlTable("a-b.c - d")]).toEqual(['public.U&"a\\000ab \\002d\\002d c\\\\"""', '"a-b"."c - d"']);
});
