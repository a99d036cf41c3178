import { expect, test } from "vitest";
import { behind } from "./lag";

test("a connector is behind by its lag, or as long as it has been failing; one that rests is not known to be", () => {
  const one = { state: "streaming", target: "running", lag_ms: 12, failing_seconds: null };
  expect(behind(one)).toBe(12);
  expect(behind({ ...one, state: "failed", failing_seconds: 30 })).toBe(30_000);
  expect(behind({ ...one, state: "waiting", lag_ms: 90_000, failing_seconds: 30 })).toBe(90_000);
  expect(behind({ ...one, state: "paused", target: "paused" })).toBeNull();
  expect(behind({ ...one, lag_ms: null })).toBeNull();
});
