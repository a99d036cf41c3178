import { expect, test } from "vitest";
import { heldByServer } from "./held";

test("the WAL of a server counts once", () => {
  const slot = (source: string, slot_retained_bytes: number | null) => ({ source, slot_retained_bytes });
  expect(heldByServer([slot("db:5432/shop", 3), slot("db:5432/crm", 7), slot("db:5433/shop", 1), slot("other:5432/x", null)])).toEqual([7, 1]);
  expect(heldByServer([slot("/run/a:5432/db", 3), slot("/run/b:5432/db", 4)])).toEqual([3, 4]);
  expect(heldByServer([])).toEqual([]);
});
