// The stretches of a timeline: no holes, causes kept, what is not known said.

import { describe, expect, it } from "vitest";
import { type Change, place, spansOf } from "./spans";

const at = (minute: number, state: string, code: string | null = null): Change => ({
  ts: new Date(minute * 60_000).toISOString(),
  state,
  code,
  message: code && "what happened",
  why: null,
  fix: null,
});
const minutes = (n: number) => n * 60_000;

describe("stretches", () => {
  it("begin with what is not known, end now, and have no holes", () => {
    const spans = spansOf([at(10, "starting"), at(11, "streaming"), at(20, "waiting", "pg/auth")], 0, minutes(30));
    expect(spans.map((span) => [span.state, span.from / 60_000, span.to / 60_000])).toEqual([
      ["", 0, 10],
      ["starting", 10, 11],
      ["streaming", 11, 20],
      ["waiting", 20, 30],
    ]);
    expect(spans.map((span) => span.isNow)).toEqual([false, false, false, true]);
    expect(spans[3]?.change?.code).toBe("pg/auth");
  });
  it("join the same state of the same cause, and keep another cause apart", () => {
    const spans = spansOf([at(0, "waiting", "pg/auth"), at(1, "waiting", "pg/auth"), at(2, "waiting", "pg/refused")], 0, minutes(5));
    expect(spans.map((span) => [span.change?.code, span.to / 60_000])).toEqual([["pg/auth", 2], ["pg/refused", 5]]);
  });
  it("know the state that began before the band", () => {
    const spans = spansOf([at(1, "starting"), at(2, "streaming")], minutes(10), minutes(20));
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({ state: "streaming", from: minutes(10), to: minutes(20), isNow: true });
  });
  it("are one that is not known when there is nothing", () => {
    expect(spansOf([], 0, 10)).toEqual([{ from: 0, to: 10, state: "", change: null, isNow: false }]);
  });
  it("are never too thin to see, nor over the end", () => {
    const [short] = spansOf([at(30, "waiting", "x")], 0, minutes(30)).slice(-1);
    const drawn = place(short!, 0, minutes(30));
    expect(drawn.width).toBe(0.4);
    expect(drawn.left + drawn.width).toBeLessThanOrEqual(100);
  });
});
