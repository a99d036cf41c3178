import { expect, test } from "vitest";
import { look } from "./states";

test("states have shapes, and an unknown one keeps its word", () => {
  expect([look("streaming").shape, look("waiting").shape, look("created").word, look("reading").shape, look("odd").word]).toEqual(["●", "▲", "starting", "◐", "odd"]);
});
