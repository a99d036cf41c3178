import { expect, test } from "vitest";
import { problemOf, sameOrigin } from "./problem";

test("a problem of RFC 9457 is understood whole", () => {
  const body = { type: "about:blank", title: "Bad Request", status: 400, detail: "no slot", code: "pg/slot", why: "gone", fix: "make it", request_id: "r1", error_code: 400, message: "no slot" };
  const problem = problemOf(400, "Bad Request", JSON.stringify(body));
  expect(problem).toMatchObject({ status: 400, code: "pg/slot", title: "Bad Request", detail: "no slot", why: "gone", fix: "make it", docs: "", requestId: "r1" });
  expect(problemOf(422, "", JSON.stringify({ detail: "x", fix: [{ sql: "alter table a;" }, { note: "then wait" }, 7] })).fix).toBe("alter table a;\nthen wait");
});

test("an error of Kafka Connect is understood, and what is no JSON is not shown", () => {
  expect(problemOf(409, "Conflict", JSON.stringify({ error_code: 409, message: "a rebalance is in process" }))).toMatchObject({ title: "Conflict", detail: "a rebalance is in process" });
  expect(problemOf(502, "Bad Gateway", "<html>nginx</html>").detail).toBe("the service answered 502 Bad Gateway");
  expect(problemOf(500, "", "null").title).toBe("HTTP 500");
});

test("only addresses of the own origin become links", () => {
  expect(sameOrigin("https://evil.example/e/pg")).toBe("");
  expect(sameOrigin("javascript:alert(1)")).toBe("");
  expect(sameOrigin("about:blank")).toBe("");
  expect(sameOrigin("/openapi.json")).toBe("http://localhost/openapi.json");
});

test("a problem is said once: its why and fix stand below it", () => {
  const one = problemOf(400, "", JSON.stringify({ code: "a/b", detail: "a/b: it is so\n  why: because\n  fix: mend it", why: "because", fix: "mend it" }));
  expect([one.detail, one.why, one.fix]).toEqual(["it is so", "because", "mend it"]);
  const two = problemOf(400, "", JSON.stringify({ code: "a/b", detail: "a/b: it is so\n  why: because\nc/d: and so", why: "because" }));
  expect([two.detail, two.why]).toEqual(["a/b: it is so\n  why: because\nc/d: and so", ""]);
});
