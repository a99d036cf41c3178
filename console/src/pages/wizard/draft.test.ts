// The wizard's choices: what is pasted, and what the options say of it.

import { describe, expect, it } from "vitest";
import type { Relation } from "../../api/types";
import { EMPTY, chosenOf, includeList, lacksIn, missing, nameMistake, nameOf, optionsOf, parseUrl, urlFor } from "./draft";

const shop = { ...EMPTY, host: "db", user: "cdc", database: "Shop" };

describe("a URL that is pasted", () => {
  it("fills the fields and gives the password apart", () => {
    expect(parseUrl(" postgresql://cdc%40eu:p%40ss:w@db.internal:5433/shop?sslmode=require ")).toEqual({
      fields: { host: "db.internal", port: "5433", user: "cdc@eu", database: "shop", sslmode: "require" },
      password: "p@ss:w",
    });
    expect(parseUrl("postgres://u:a@b@[::1]/d")).toMatchObject({ fields: { host: "::1", port: "5432" }, password: "a@b" });
    expect(parseUrl("jdbc:postgresql://db:5432/shop?user=x&password=y&ssl=true")).toMatchObject({
      fields: { user: "x", sslmode: "require" },
      password: "y",
    });
  });
  it("says what it is not", () => {
    for (const text of ["", "mysql://a@b/c", "postgres:///d"]) expect(parseUrl(text)).toHaveProperty("mistake");
  });
  it("comes back with the password escaped, or with its reference", () => {
    expect(urlFor(shop, "p@ss")).toBe("postgres://cdc:p%40ss@db:5432/Shop?sslmode=prefer");
    expect(urlFor({ ...shop, secret: "reference", variable: "PW" }, "hidden")).toBe("postgres://cdc:${env:PW}@db:5432/Shop?sslmode=prefer");
  });
});

describe("a connector's name", () => {
  it("is the database's unless another is written", () => {
    expect(nameOf(shop)).toBe("shop");
    expect(nameOf({ ...shop, name: "mine" })).toBe("mine");
    expect(nameMistake("a b", [])).not.toBe("");
    expect(nameMistake("a", ["a"])).not.toBe("");
    expect(nameMistake("a", [])).toBe("");
  });
});

describe("tables", () => {
  it("are a list of expressions", () => {
    expect(includeList({ ...shop, schemas: ["sales"], tables: ["public.a", "sales.b"] })).toBe("sales\\..*,public\\.a");
    expect(includeList(shop)).toBe("");
  });
  it("of a schema are those that do no harm", () => {
    const of = (table: string, ...codes: string[]) => ({ table, reasons: codes.map((code) => ({ code, text: "" })) }) as unknown as Relation;
    const all = [of("a.x", "pg/select"), of("a.y", "pg/identity-missing"), of("a.z", "pg/view"), of("b.x")];
    expect(chosenOf({ ...shop, schemas: ["a"] }, all).map((one) => one.table)).toEqual(["a.x"]);
    expect(chosenOf({ ...shop, schemas: ["a"], full: ["a.y"] }, all).map((one) => one.table)).toEqual(["a.x", "a.y"]);
  });
});

describe("options", () => {
  it("say what was chosen", () => {
    const options = optionsOf(
      { ...shop, tables: ["public.a"], full: ["public.a"], dropped: ["public.a.card"], envelope: "flat", snapshot: "filtered", where: { "public.A": "id > 7", "public.b": " " } },
      "pw",
    );
    expect(options).toMatchObject({
      name: "shop",
      "database.password": "pw",
      "slot.name": "shop_slot",
      "table.include.list": "public\\.a",
      "replica.identity.autoset.values": "public\\.a:FULL",
      "column.exclude.list": "public\\.a\\.card",
      transforms: "unwrap",
      "snapshot.select.statement.overrides": "public.A",
      "snapshot.select.statement.overrides.public.A": 'SELECT * FROM public."A" WHERE id > 7',
    });
    expect(options).not.toHaveProperty("snapshot.mode");
  });
  it("have names of their own where they are written", () => {
    expect(optionsOf({ ...shop, slot: "mine", publication: "theirs", publishing: "disabled" }, "")).toMatchObject({
      "slot.name": "mine",
      "publication.name": "theirs",
      "publication.autocreate.mode": "disabled",
    });
  });
  it("are asked for while something is missing", () => {
    expect(lacksIn(1, { ...shop, port: "x" })).toEqual({ port: "a number" });
    expect(lacksIn(2, shop)).toHaveProperty("tables");
    expect(lacksIn(2, { ...shop, schemas: ["a"] })).toEqual({});
    expect(lacksIn(4, { ...shop, snapshot: "filtered", where: { a: " " } })).toHaveProperty("where");
    expect(missing(EMPTY)).toBe("the host, the user, the database");
    expect(missing({ ...shop, secret: "reference" })).toBe("the variable");
    expect(missing(shop)).toBe("");
  });
});
