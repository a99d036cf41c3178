// What of a fix is copied, and what is read.

import { describe, expect, it } from "vitest";
import { pieces, script } from "./fix";

const run = (text: string) => ({ run: true, text });
const read = (text: string) => ({ run: false, text });

describe("a fix of one text", () => {
  it("gives statements apart from the words around them", () => {
    expect(pieces('ALTER ROLE "cdc" REPLICATION;      -- on Amazon RDS: GRANT rds_replication TO "cdc";')).toEqual([
      run('ALTER ROLE "cdc" REPLICATION;'),
      read('on Amazon RDS: GRANT rds_replication TO "cdc";'),
    ]);
    expect(pieces("ALTER SYSTEM SET wal_level = logical;\nthen restart PostgreSQL")).toEqual([run("ALTER SYSTEM SET wal_level = logical;"), read("then restart PostgreSQL")]);
    expect(pieces("SELECT pg_drop_replication_slot('a;b');      -- if nobody needs it\nor\nrowfeed slots list")).toEqual([
      run("SELECT pg_drop_replication_slot('a;b');"),
      read("if nobody needs it\nor"),
      run("rowfeed slots list"),
    ]);
    expect(pieces('GRANT USAGE ON SCHEMA "a" TO "r";\nGRANT SELECT ON "a"."b" TO "r";')).toEqual([run('GRANT USAGE ON SCHEMA "a" TO "r";\nGRANT SELECT ON "a"."b" TO "r";')]);
  });
  it("leaves what cannot be run as words", () => {
    for (const words of [
      "create the publication, then a new slot: changes before it cannot be decoded",
      "CREATE PUBLICATION a FOR TABLE ...;",
      "drop an unused slot, or raise max_replication_slots (restart)",
      "end those transactions: SELECT pg_terminate_backend(PID) for each",
    ]) {
      expect(pieces(words)).toEqual([read(words)]);
    }
    expect(pieces("-- or leave it out")).toEqual([read("or leave it out")]);
  });
});

describe("a command", () => {
  it("is a line that begins with the program's name, whole", () => {
    expect(pieces("when it wants them again:\nrowfeed subscriptions resume NAME\nor delete the subscription")).toEqual([
      read("when it wants them again:"),
      run("rowfeed subscriptions resume NAME"),
      read("or delete the subscription"),
    ]);
    expect(pieces("bring every row again:\nrowfeed snapshot start CONNECTOR --table SCHEMA.TABLE")).toEqual([
      read("bring every row again:"),
      run("rowfeed snapshot start CONNECTOR --table SCHEMA.TABLE"),
    ]);
  });
  it("is none within words", () => {
    for (const words of ["Rowfeed captures PostgreSQL", "start one:  rowfeed run", "correct the file, or `rowfeed config reload`", "rowfeed"]) {
      expect(pieces(words)).toEqual([read(words)]);
    }
  });
});

describe("a script", () => {
  it("has each statement once, and notes as comments", () => {
    const grant = { sql: "GRANT a TO b;" };
    expect(script([[grant], [{ note: "restart" }, { sql: "ALTER x;" }], [grant]])).toBe("GRANT a TO b;\n-- restart\nALTER x;");
  });
});
