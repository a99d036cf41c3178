import { expect, test } from "vitest";
import { fits, ui } from "./paths";

test("a pattern takes its parameters out of an address", () => {
  expect(fits("/ui/topics/:topic/:partition/:offset", "/ui/topics/a/0/12")).toEqual({ topic: "a", partition: "0", offset: "12" });
  expect(fits("/ui/topics", "/ui/topics")).toEqual({});
});

test("a name of any kind survives the way there and back", () => {
  for (const name of ["a/b", "100%", "two words", "ä:ö?#"]) expect(fits("/ui/connectors/:name", ui.connector(name))).toEqual({ name });
});

test("another address, too few parts, an empty name and broken escapes do not fit", () => {
  for (const path of ["/ui/groups/a", "/ui/topics", "/ui/topics/", "/ui/topics/a/0", "/ui/topics/%E0%A4%A"]) expect(fits("/ui/topics/:topic", path)).toBeNull();
});
