// Positions in the WAL as PostgreSQL writes them.

const hex = (part: number): string => part.toString(16).toUpperCase();

/** 27685048 -> "0/1A66EB8"; null for what is no position. A number is exact up to 2^53, which is 8 PiB of WAL. */
export function lsnText(lsn: unknown): string | null {
  if (typeof lsn !== "number" || !Number.isSafeInteger(lsn) || lsn < 0) return null;
  return `${hex(Math.floor(lsn / 2 ** 32))}/${hex(lsn % 2 ** 32)}`;
}
