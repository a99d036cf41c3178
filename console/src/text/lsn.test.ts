// Positions as text.

import { expect, it } from "vitest";
import { lsnText } from "./lsn";

it("is written as PostgreSQL does", () => {
  expect(lsnText(27685048)).toBe("0/1A670B8");
  expect(lsnText(0)).toBe("0/0");
  expect(lsnText(2 ** 32 + 255)).toBe("1/FF");
});
