// Positions in the WAL as PostgreSQL writes them.

/** 27685048 -> "0/1A66EB8". A number is exact up to 2^53, which is 8 PiB of WAL. */
export const lsnText = (lsn: number): string => `${hex(Math.floor(lsn / 2 ** 32))}/${hex(lsn % 2 ** 32)}`;

const hex = (part: number): string => part.toString(16).toUpperCase();
