import { expect, test } from "vitest";
import { best, holds } from "./search";

test("search finds all words, beginnings first", () => {
  const names = ["shop.public.orders", "orders", "order_items", "billing"];
  expect(best(names, "ord", (name) => name, 3)).toEqual(["orders", "order_items", "shop.public.orders"]);
  expect(best(names, "shop ord", (name) => name, 3)).toEqual(["shop.public.orders"]);
  expect(best(names, "", (name) => name, 2)).toEqual(["shop.public.orders", "orders"]);
  expect([holds("Shop Orders", "ord shop"), holds("shop", "x")]).toEqual([true, false]);
});
