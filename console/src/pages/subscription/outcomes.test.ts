import { describe, expect, it } from "vitest";
import { type Delivery, outcomes, ranges, replayOf, successRate } from "./outcomes";

const one = (at: number, state: string): Delivery => ({
  webhook_id: "evt_x", topic: "t", partition: 0, offset: at, key: null, attempt: 1, state, status: 200, duration_ms: 1, error: null, response_head: null, at: new Date(at * 1000).toISOString(), next_at: null,
});

describe("deliveries", () => {
  it("are counted in steps", () => {
    const { times, delivered, failed } = outcomes([one(3, "delivered"), one(1, "delivered"), one(1, "waiting"), one(3, "dead")]);
    expect(times.slice(-3)).toEqual([1000, 2000, 3000]);
    expect(times.length).toBe(10);
    expect(delivered.slice(-4)).toEqual([0, 1, 0, 1]);
    expect(failed.slice(-4)).toEqual([0, 1, 0, 1]);
  });
  it("have a bounded number of steps, the newest", () => {
    const { times, delivered } = outcomes([one(1, "waiting"), one(1_000_000_000, "delivered")]);
    expect(times.length).toBe(60);
    expect(delivered.at(-1)).toBe(1);
    expect(outcomes([])).toEqual({ times: [], delivered: [], failed: [] });
  });
  it("have a rate that is not rounded up to all", () => {
    expect(successRate(0, 0)).toBeNull();
    expect(successRate(10, 0)).toBe("100 %");
    expect(successRate(99_999, 1)).toBe("99.9 %");
    expect(successRate(3, 1)).toBe("75 %");
  });
  it("are replayed as ranges", () => {
    const chosen = [5, 3, 4, 9, 4].map((offset) => ({ topic: "a", partition: 0, offset }));
    const found = ranges([...chosen, { topic: "a", partition: 1, offset: 5 }, { topic: "b'c", partition: 1, offset: 6 }]);
    expect(found).toEqual([
      { topic: "a", partition: 0, from: 3, until: 6 },
      { topic: "a", partition: 0, from: 9, until: 10 },
      { topic: "a", partition: 1, from: 5, until: 6 },
      { topic: "b'c", partition: 1, from: 6, until: 7 },
    ]);
    expect(replayOf(found[0]!, false)).toEqual({ from: "0:3", until: "0:6" });
    expect(replayOf(found[3]!, true)).toEqual({ from: "1:6", until: "1:7", where: "topic = 'b''c'" });
  });
});
