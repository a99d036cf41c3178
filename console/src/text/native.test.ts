// Both forms of a connector: what is written means what the options mean, and holds no secret.

import { describe, expect, it } from "vitest";
import { commandOptions, debeziumJson, exactly, isReference, nativeToml, splitList, urlOf } from "./native";

const shop = {
  "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
  name: "shop",
  "database.hostname": "db.internal",
  "database.port": "5433",
  "database.user": "cdc@eu",
  "database.password": "hunter2",
  "database.dbname": "shop",
  "database.sslmode": "require",
  "topic.prefix": "shop",
  "table.include.list": "public\\.orders,public\\..*,public.(a|b)",
  "column.exclude.list": "public\\.orders\\.note",
  "snapshot.mode": "no_data",
  "heartbeat.interval.ms": "5000",
};

describe("the short form", () => {
  it("says what the options say, with Debezium's defaults written out", () => {
    expect(nativeToml("shop", shop)).toBe(`url = "postgres://cdc%40eu@db.internal:5433/shop?sslmode=require"
password = "\${env:SHOP_DB_PASSWORD}"
slot = "debezium"
publication = "dbz_publication"
publication_mode = "all_tables"
tables = ["public.orders", "public.*", "re:public.(a|b)"]
exclude_columns = ["public.orders.note"]

[values]
decimals = "precise"
timestamps = "adaptive"

# as Debezium has them
[options]
"heartbeat.interval.ms" = "5000"
"snapshot.mode" = "no_data"
`);
  });

  it("leaves out what it begins with", () => {
    const usual = {
      "database.hostname": "db",
      "database.user": "cdc",
      "database.dbname": "shop",
      "topic.prefix": "shop",
      "slot.name": "shop_slot",
      "publication.name": "shop_pub",
      "publication.autocreate.mode": "filtered",
      "decimal.handling.mode": "string",
      "time.precision.mode": "isostring",
      "heartbeat.interval.ms": "10000",
    };
    expect(nativeToml("shop", usual)).toBe('url = "postgres://cdc@db:5432/shop"\n');
  });

  it("has no password, whatever it looks like", () => {
    for (const password of ["hunter2", "a${env:X}b", "********"]) {
      const options = { ...shop, "database.password": password, "signal.consumer.sasl.password": password };
      expect(nativeToml("shop", options)).not.toContain(password);
      expect(debeziumJson("shop", options)).not.toContain(password);
    }
    expect(nativeToml("shop", { ...shop, "database.password": "${env:PW}" })).toContain('password = "${env:PW}"');
  });

  it("keeps what is masked in a command, and names what is not", () => {
    expect(commandOptions("shop", { "database.password": "********", a: "1" })).toEqual({ "database.password": "********", a: "1" });
    expect(commandOptions("shop", { "database.password": "hunter2" })).toEqual({ "database.password": "${env:SHOP_DB_PASSWORD}" });
  });

  it("keeps a folder of a socket as an option", () => {
    const { url, said } = urlOf({ "database.hostname": "/run/postgresql", "database.user": "a", "database.dbname": "b" });
    expect(url).toBe("postgres://a@localhost:5432/b");
    expect(said).not.toContain("database.hostname");
  });
});

describe("names", () => {
  it("become expressions and come back", () => {
    expect(exactly("public.a+b")).toBe("public\\.a\\+b");
    expect(splitList(`${exactly("a.b,c")}, x`)).toEqual(["a\\.b,c", "x"]);
  });
  it("are references as a whole only", () => {
    expect(isReference("${env:PW}")).toBe(true);
    for (const text of ["pre${env:PW}", "${vault:x}", "", "${env:A}${env:B}"]) expect(isReference(text)).toBe(false);
  });
});
