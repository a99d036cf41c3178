// Signals and their command lines: exact names, conditions only where they may be.

import { describe, expect, it } from "vitest";
import { start, startLine } from "./signals";

describe("a snapshot that is asked for", () => {
  it("names its tables exactly", () => {
    const wanted = { tables: ["public.orders"], kind: "incremental", where: "id > 7" } as const;
    expect(start(wanted)).toEqual({
      type: "execute-snapshot",
      data: {
        "data-collections": ["public\\.orders"],
        type: "incremental",
        "additional-conditions": [{ "data-collection": "public.orders", filter: "id > 7" }],
      },
    });
    expect(startLine("shop", wanted)).toBe("rowfeed snapshot start shop --table public.orders --where 'id > 7'");
  });
  it("has no condition for many tables, nor to reconcile", () => {
    expect(start({ tables: ["a.b", "a.c"], kind: "incremental", where: "x" }).data).not.toHaveProperty("additional-conditions");
    expect(start({ tables: ["a.b"], kind: "reconcile", where: "x" }).data).not.toHaveProperty("additional-conditions");
    expect(startLine("shop", { tables: [], kind: "reconcile", where: "" })).toBe("rowfeed snapshot start shop --all --reconcile");
  });
  it("asks with a whole statement while the stream waits", () => {
    const { data } = start({ tables: ["public.a"], kind: "blocking", where: "id > 7" });
    expect(data?.["additional-conditions"]).toEqual([{ "data-collection": "public.a", filter: "SELECT * FROM public.a WHERE id > 7" }]);
  });
});
