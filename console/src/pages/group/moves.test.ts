import { describe, expect, it } from "vitest";
import { moveText, summed } from "./moves";

const move = (before: number | null, after: number) => ({ topic: "t", partition: 0, before, after });

describe("moving offsets", () => {
  it("is told in words", () => {
    expect(moveText(move(100, 88))).toBe("12 records read again");
    expect(moveText(move(100, 101))).toBe("1 record skipped");
    expect(moveText(move(100, 100))).toBe("stays");
    expect(moveText(move(null, 7))).toBe("begins here");
  });
  it("is summed up", () => {
    expect(summed([move(100, 88), move(5, 10), move(null, 7), move(3, 3)])).toEqual({ again: 12, skipped: 5 });
  });
});
