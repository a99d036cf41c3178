import { describe, expect, it } from "vitest";
import description from "../../../../docs/openapi.json";
import { type Spec, canTry, filled, operationsOf, shape } from "./spec";

const spec = description as unknown as Spec;
const all = operationsOf(spec);

describe("the API's description", () => {
  it("has every operation once, in groups", () => {
    const count = Object.values(spec.paths).reduce((sum, methods) => sum + Object.keys(methods).filter((one) => /^(get|put|post|patch|delete)$/.test(one)).length, 0);
    expect(all.length).toBe(count);
    expect(new Set(all.map((one) => one.id)).size).toBe(count);
    expect(all.map((one) => one.tag)).toEqual(all.map((one) => one.tag).toSorted((a, b) => a.localeCompare(b, "en")));
  });
  it("tells every shape in bounded text", () => {
    for (const one of all) for (const answer of one.answers) expect(shape(answer.schema, spec.components?.schemas ?? {}).length).toBeLessThan(20_100);
  });
  it("writes schemas as types", () => {
    expect(shape({ type: "object", properties: { a: { type: "string" }, b: { anyOf: [{ type: "integer" }, { type: "null" }] }, c: { type: "array", items: { enum: ["x", "y"] } } }, required: ["a"] }, {})).toBe(
      '{\n  "a": string,\n  "b"?: integer | null,\n  "c"?: ("x" | "y")[]\n}',
    );
    const circle = { A: { type: "object", properties: { a: { $ref: "#/components/schemas/A" } } } };
    expect(shape({ $ref: "#/components/schemas/A" }, circle)).toBe('{\n  "a"?: A\n}');
    expect(shape(undefined, {})).toBe("any");
  });
  it("fills in a request's path", () => {
    const seek = all.find((one) => one.id === "postV1GroupsGroupSeek");
    const slot = all.find((one) => one.id === "deleteV1SlotsSlot");
    expect(seek && filled(seek, {})).toEqual({ path: "/v1/groups/{group}/seek", missing: ["group"] });
    expect(seek && filled(seek, { "path.group": "a/b?" })).toEqual({ path: "/v1/groups/a%2Fb%3F/seek", missing: [] });
    expect(slot && filled(slot, { "path.slot": "s", "query.server": "db:5432" }).path).toBe("/v1/slots/s?server=db%3A5432");
  });
  it("is tried but for the socket", () => {
    expect(all.filter((one) => !canTry(one)).map((one) => one.path)).toEqual(["/v1/ws"]);
  });
});
