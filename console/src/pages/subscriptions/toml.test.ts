import { describe, expect, it } from "vitest";
import { MASK, list, shown, shownUrl, toToml } from "./toml";

describe("a subscription as TOML", () => {
  it("has its table, its options, and tables below", () => {
    expect(toToml("cache", { type: "redis", topics: ["shop.public.*"], concurrency: "8", fence: "false", tables: { "public.orders": { keys: ["order:{id}"] } } })).toBe(
      ['[subscriptions.cache]', 'type = "redis"', 'topics = ["shop.public.*"]', "concurrency = 8", "fence = false", "", '[subscriptions.cache.tables."public.orders"]', 'keys = ["order:{id}"]'].join("\n"),
    );
  });
  it("quotes what TOML would read otherwise", () => {
    expect(toToml('a "b"', { where: 'status = "x"\\\n\u007f' })).toBe('[subscriptions."a \\"b\\""]\nwhere = "status = \\"x\\"\\\\\\n\\u007f"');
    expect(toToml("", { retries: "5s,5m", ca: "007" })).toBe('[subscriptions.NAME]\nretries = "5s,5m"\nca = "007"');
  });
  it("never has a typed secret", () => {
    expect(shown({ secret: "whsec_abc", url: "x", headers: { authorization: "Bearer x", ref: "${env:T}" } }, ["secret", "headers"])).toEqual({
      secret: MASK,
      url: "x",
      headers: { authorization: MASK, ref: "${env:T}" },
    });
    expect(shown({ secret: ["${env:NEW}", "whsec_old"] }, ["secret"])).toEqual({ secret: ["${env:NEW}", MASK] });
    expect(shownUrl("https://hooks.example.com/T0/B1/secret?k=v", true)).toBe(`https://hooks.example.com/${MASK}`);
    expect(shownUrl("redis://user:pass@cache:6379/0", false)).toBe(`redis://${MASK}@cache:6379/0`);
    expect(shownUrl("http://search:9200", false)).toBe("http://search:9200");
  });
  it("reads lists", () => {
    expect(list("a, b\n c ,,")).toEqual(["a", "b", "c"]);
    expect(list("")).toEqual([]);
  });
});
