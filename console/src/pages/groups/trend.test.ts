import { describe, expect, it } from "vitest";
import { noted } from "../../api/seen";
import { trendOf } from "./trend";

const seen = (...lags: number[]) => lags.map((value, i) => ({ at: i * 5000, value }));

describe("a lag's trend", () => {
  it("is not known at first", () => {
    expect(trendOf([])).toBeNull();
    expect(trendOf(seen(5, 500))).toBeNull();
  });
  it("tells growing, shrinking and steady apart", () => {
    expect(trendOf(seen(0, 10, 40, 90))).toBe("growing");
    expect(trendOf(seen(900, 600, 300, 0))).toBe("shrinking");
    expect(trendOf(seen(1000, 1020, 990, 1010))).toBe("steady");
  });
  it("looks at the last two minutes only", () => {
    const old = Array.from({ length: 40 }, () => 10_000);
    expect(trendOf(seen(...old, ...Array.from({ length: 30 }, () => 5)))).toBe("steady");
  });
  it("keeps a bounded number of points", () => {
    let all = seen();
    for (let i = 0; i < 500; i += 1) all = noted(all, { at: i, value: i });
    expect(all.length).toBe(120);
    expect(all.at(-1)?.value).toBe(499);
  });
});
