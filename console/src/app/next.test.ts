import { describe, expect, it } from "vitest";
import { nextPage } from "./next";

describe("where a login leads to", () => {
  it("is a page of the console", () => {
    expect(nextPage("/ui/topics/a%2Fb?tab=schema")).toBe("/ui/topics/a%2Fb?tab=schema");
    expect(nextPage(undefined)).toBe("/ui/");
  });
  it("is nowhere else", () => {
    for (const asked of ["https://evil.example/ui/", "//evil.example/ui/", "\\\\evil.example/ui/", "javascript:alert(1)", "/ui/../v1/tokens", "/v1/status", "/ui/login?next=/ui/login", "http://["]) {
      expect(nextPage(asked)).toBe("/ui/");
    }
  });
});
