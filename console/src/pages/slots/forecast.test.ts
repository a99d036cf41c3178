import { describe, expect, it } from "vitest";
import { forecast, growth } from "./forecast";

const MIB = 1024 * 1024;
const points = (...mib: (number | null)[]) => mib.map((held, i) => ({ at: i * 30_000, value: held === null ? null : held * MIB }));

describe("the WAL a slot holds", () => {
  it("grows by so many bytes", () => {
    expect(growth(points(1, 2))).toBeNull();
    expect(growth(points(null, null, null, null))).toBeNull();
    expect((growth(points(0, 1, null, 3, 4)) ?? 0) * 30_000).toBeCloseTo(MIB);
  });
  it("has so much time left", () => {
    expect(forecast(points(0, 1, 2, 3), 10 * MIB, "reserved")).toEqual({ is: "left", ms: expect.closeTo(300_000, 0) });
    expect(forecast(points(0, 1, 2, 3), -5, "unreserved")).toEqual({ is: "left", ms: 0 });
  });
  it("is steady when it does not grow", () => {
    expect(forecast(points(5, 4, 5, 4, 5), 10 * MIB, "reserved")).toEqual({ is: "steady" });
    expect(forecast(points(0, 0.001, 0.002, 0.003), 1e15, "reserved")).toEqual({ is: "steady" });
  });
  it("says that there is no limit, or that it is over", () => {
    expect(forecast(points(0, 1, 2, 3), null, "reserved")).toEqual({ is: "unlimited", perHour: expect.closeTo(120 * MIB, 0) });
    expect(forecast([], null, "lost")).toEqual({ is: "lost" });
    expect(forecast([], 5, null)).toEqual({ is: "unknown" });
  });
});
