// When a connector may be made.

import { describe, expect, it } from "vitest";
import { type Known, standing } from "./standing";

const well: Known = { lacks: "", isChecking: false, unknown: "", mistakes: 0, fails: 0, warns: 0 };

describe("a connector", () => {
  it("may be made when all is well", () => {
    expect(standing(well)).toEqual({ may: true, isRisk: false, why: "" });
  });
  it("may not be made while it would fail, and says why", () => {
    for (const [known, why] of [
      [{ lacks: "No table is chosen." }, "No table is chosen."],
      [{ isChecking: true }, "being checked"],
      [{ mistakes: 1 }, "1 option must be corrected"],
      [{ fails: 2, warns: 1, unknown: "no answer" }, "2 things must be mended in the database"],
    ] as const) {
      const said = standing({ ...well, ...known });
      expect(said.may).toBe(false);
      expect(said.why).toContain(why);
    }
  });
  it("may be made all the same where it is only advised, or not known", () => {
    for (const known of [{ warns: 1 }, { unknown: "the database took too long" }]) {
      expect(standing({ ...well, ...known })).toMatchObject({ may: true, isRisk: true });
    }
  });
});
