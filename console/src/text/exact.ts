// JSON whose numbers keep every digit. A bigint column beyond 2^53 is not what JSON.parse makes of it: here it stays as it was written, and
// JSON.stringify writes it so again. Where the browser cannot (it says so by giving no source), numbers are the browser's.

type Source = { source?: string };
type Raw = { rawJSON?: (text: string) => object };

const raw = (JSON as Raw).rawJSON;

/** More digits than a double holds. */
const DIGITS_MAX = 15;

/** A number that would lose digits, as it was written. */
function keep(_name: string, value: unknown, context?: Source): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  if (source === undefined || raw === undefined) return value;
  const digits = source.replace(/[eE].*$/, "").replace(/[-.]/g, "").replace(/^0+/, "").length;
  return digits > DIGITS_MAX && String(value) !== source ? raw(source) : value;
}

/** As JSON.parse, with long numbers whole. Texts without long numbers cost no more than there. */
export function parseExact(text: string): unknown {
  return /\d{16}|\d\.\d{14}/.test(text) ? JSON.parse(text, keep as (name: string, value: unknown) => unknown) : JSON.parse(text);
}

/** A number kept whole: its digits; else undefined. */
export function digitsOf(value: unknown): string | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const text = (value as { rawJSON?: unknown }).rawJSON;
  return Object.getPrototypeOf(value) === null && typeof text === "string" ? text : undefined;
}
