// What the service says of options, beside what the doctor says.

import { expect, it } from "vitest";
import { untold } from "./validated";

it("what the doctor has told is not told twice", () => {
  const errors = [
    ["publication.name", ["pg/publication: it does not exist"]],
    ["slot.name", ["config/slot-taken: another has it", "pg/slot-active: it is read"]],
  ] as const;
  expect([...untold({ errors, problem: null }, ["pg/publication"])]).toEqual([["slot.name", "config/slot-taken: another has it\npg/slot-active: it is read"]]);
  expect(untold({ errors: null, problem: null }, []).size).toBe(0);
});
