// Where to begin reading: the grammar of offsets that the command line, the API and the console share. Only says whether a text can be
// understood; what it means, and finding the place, is the service's.

/** What a person may type, for help texts. */
export const EXAMPLES = ["latest", "earliest", "-100", "+100", "now-5m", "2026-11-21T14:00:00Z", "offset:1842", "0:1842,1:77"];

const ENDS = /^(start|earliest|beginning|end|latest)$/i;
/** So many records from an end, an offset, an age, an LSN, a transaction, milliseconds since 1970. */
const PLACE =
  /^([-+]\d{1,15}|offset:\d{1,15}|now(-\d{1,9}(ms|[smhdw]))?|-\d{1,9}(ms|[smhdw])@|lsn:[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}|tx:\d{1,15}|\d{12,15})$/;
/** Offsets by partition. */
const OFFSETS = /^\d{1,9}:\d{1,15}(,\d{1,9}:\d{1,15})*$/;
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

function isPlace(text: string): boolean {
  if (OFFSETS.test(text)) {
    const partitions = text.split(",").map((one) => Number.parseInt(one, 10));
    return new Set(partitions).size === partitions.length;
  }
  return ENDS.test(text) || PLACE.test(text) || (TIME.test(text) && !Number.isNaN(Date.parse(text)));
}

/** What is wrong with a place, or undefined. */
export function placeMistake(text: string): string | undefined {
  const asked = text.trim();
  if (isPlace(asked)) return undefined;
  return asked === "" ? "say where to begin: latest, earliest, -100, now-5m, a time" : `"${asked}" is no place: try latest, earliest, -100, now-5m, offset:1842, or a time`;
}
