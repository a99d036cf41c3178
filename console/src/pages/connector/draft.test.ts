// Changing a configuration: steps that lose nothing, and mistakes at their lines.

import { describe, expect, it } from "vitest";
import { type Definition, isSame, lineOf, mistakesOf, readJson, shownOptions, withOption } from "./draft";

const of = (name: string, importance: string, group = "Connection"): Definition => ({
  name,
  importance,
  group,
  type: "STRING",
  default_value: null,
  documentation: "",
  display_name: name,
});

describe("options", () => {
  it("are set, and taken out when they are empty", () => {
    expect(withOption({ a: "1" }, "b", "2")).toEqual({ a: "1", b: "2" });
    expect(withOption({ a: "1", b: "2" }, "b", "")).toEqual({ a: "1" });
    expect(isSame({ a: "1", b: "2" }, { b: "2", a: "1" })).toBe(true);
    expect(isSame({ a: "1" }, { a: "1", b: "" })).toBe(false);
  });
  it("are shown when they are set, added or important, in the service's order", () => {
    const all = [of("host", "HIGH"), of("far", "HIGH", "Kafka Connect"), of("mode", "MEDIUM"), of("rare", "LOW")];
    const shown = shownOptions(all, { mode: "x", "transforms.a.type": "T" }, ["rare"]);
    expect([...shown].map(([group, list]) => [group, list.map((one) => one.name)])).toEqual([
      ["HIGH", ["host"]],
      ["MEDIUM", ["mode"]],
      ["LOW", ["rare", "transforms.a.type"]],
    ]);
  });
});

describe("a text", () => {
  it("is read with or without what stands around it", () => {
    expect(readJson('{"a":1,"b":true,"c":null}')).toEqual({ options: { a: "1", b: "true" } });
    expect(readJson('{"name":"x","config":{"a":"1"}}')).toEqual({ options: { a: "1" } });
  });
  it("says what is wrong, and where", () => {
    expect(readJson('{\n"a": [1]\n}')).toEqual({ mistake: "a is no text, number, true or false", line: 2 });
    expect(readJson('{\n"a": 1,,\n}')).toHaveProperty("mistake");
    expect(readJson("[]")).toHaveProperty("mistake");
    expect(lineOf('{\n  "slot.name": "x"\n}', "slot.name")).toBe(2);
  });
});

it("mistakes stand at their options", () => {
  const verdict = (name: string, errors: string[]) => ({ definition: of(name, "HIGH"), value: { name, value: null, recommended_values: [], errors } });
  expect([...mistakesOf([verdict("a", []), verdict("b", ["x", "y"])])]).toEqual([["b", "x\ny"]]);
});
