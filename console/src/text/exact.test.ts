import { expect, test } from "vitest";
import { digitsOf, parseExact } from "./exact";

const canKeep = "rawJSON" in JSON;

test("ordinary numbers are numbers", () => {
  expect(parseExact('{"a":1,"b":-2.5,"c":1e3,"d":0.0,"e":9007199254740991,"f":0.10000000149011612}')).toEqual({
    a: 1,
    b: -2.5,
    c: 1000,
    d: 0,
    e: 9007199254740991,
    f: 0.10000000149011612,
  });
  expect(parseExact('{"text":"9007199254740993 and 1234567890123456789"}')).toEqual({ text: "9007199254740993 and 1234567890123456789" });
});

test.runIf(canKeep)("a number that a double cannot hold keeps its digits", () => {
  const value = parseExact('{"id":9007199254740993,"n":[-12345678901234567890.5]}') as { id: unknown; n: unknown[] };
  expect(digitsOf(value.id)).toBe("9007199254740993");
  expect(JSON.stringify(value)).toBe('{"id":9007199254740993,"n":[-12345678901234567890.5]}');
});

test("an object of the API is never taken for a number", () => {
  expect(digitsOf({ rawJSON: "1" })).toBeUndefined();
  expect(digitsOf(null)).toBeUndefined();
});
