import { describe, expect, it } from "vitest";
import { scopesOf } from "./scopes";

describe("a token's scopes", () => {
  it("are those that were chosen, in the list's order", () => {
    expect(scopesOf(new Set(["read:metrics", "read:connectors"]), "")).toEqual(["read:connectors", "read:metrics"]);
  });
  it("are admin alone where that is chosen", () => {
    expect(scopesOf(new Set(["admin", "read:metrics"]), "shop.*")).toEqual(["admin"]);
  });
  it("have a pattern of topics unless all are read", () => {
    expect(scopesOf(new Set(), " shop.* ")).toEqual(["read:topics:shop.*"]);
    expect(scopesOf(new Set(["read:topics"]), "shop.*")).toEqual(["read:topics"]);
  });
});
