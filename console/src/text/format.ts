// Numbers, sizes and times as people read them. Promises: what is not known is "–", units as the command line has them, no locale surprises.

/** What is shown for a value that is not known. */
export const UNKNOWN = "–";

type Maybe = number | null | undefined;

const known = (value: Maybe): value is number => value !== null && value !== undefined && Number.isFinite(value);

/** 1204118 -> "1,204,118". */
export function count(value: Maybe): string {
  return known(value) ? Math.round(value).toLocaleString("en-US") : UNKNOWN;
}

/** "1 table", "3 tables": the word's plural is with s unless it is given. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** With one digit behind the point, where it is not 0. */
const tenths = (value: number) => value.toFixed(1).replace(/\.0$/, "");

/** A rate as a number: 0.4, 12, 1,187. */
export function rate(value: Maybe): string {
  if (!known(value)) return UNKNOWN;
  return value !== 0 && Math.abs(value) < 9.95 ? tenths(value) : count(value);
}

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 4509715660 -> "4.2 GiB". */
export function bytes(value: Maybe): string {
  if (!known(value)) return UNKNOWN;
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 1023.95 && unit < SIZES.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const text = unit === 0 || size >= 99.95 ? Math.round(size) : tenths(size);
  return `${value < 0 ? "-" : ""}${text} ${SIZES[unit]}`;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Milliseconds as one unit that is worth reading: "41 ms", "2.3 s", "12 min", "3 h", "2 d". */
export function duration(ms: Maybe): string {
  if (!known(ms)) return UNKNOWN;
  const value = Math.max(0, ms);
  if (value < 999.5) return `${Math.round(value)} ms`;
  if (value < 9950) return `${tenths(value / 1000)} s`;
  if (value < MINUTE - 500) return `${Math.round(value / 1000)} s`;
  if (value < HOUR - MINUTE / 2) return `${Math.round(value / MINUTE)} min`;
  if (value < 2 * DAY) return `${Math.round(value / HOUR)} h`;
  return `${Math.round(value / DAY)} d`;
}

/** Milliseconds as two units where the second one matters: "3 h 5 min", "1 min 20 s". */
export function longDuration(ms: Maybe): string {
  if (!known(ms)) return UNKNOWN;
  const value = Math.max(0, ms);
  const two = (big: number, bigWord: string, small: number, smallWord: string) => {
    const whole = Math.floor(value / big);
    const rest = Math.floor((value - whole * big) / small);
    return rest === 0 ? `${whole} ${bigWord}` : `${whole} ${bigWord} ${rest} ${smallWord}`;
  };
  if (value < MINUTE) return duration(value);
  if (value < HOUR) return two(MINUTE, "min", 1000, "s");
  if (value < DAY) return two(HOUR, "h", MINUTE, "min");
  return two(DAY, "d", HOUR, "h");
}

/** A part of a whole: "61 %", and never 100 % before all is done. Null when the whole is not known. */
export function percent(part: Maybe, whole: Maybe): number | null {
  if (!known(part) || !known(whole) || whole <= 0) return null;
  return part >= whole ? 100 : Math.min(99, Math.max(0, Math.floor((part / whole) * 100)));
}

/** How a time relates to now: "12 min ago", "in 4 s", "now". */
export function relative(at: string | number | null | undefined, now: number): string {
  if (at === null || at === undefined) return UNKNOWN;
  const time = typeof at === "number" ? at : Date.parse(at);
  if (!Number.isFinite(time)) return UNKNOWN;
  const past = now - time;
  if (Math.abs(past) < 1000) return "now";
  return past > 0 ? `${duration(past)} ago` : `in ${duration(-past)}`;
}

/** Which zone times are shown in. */
export type Zone = "local" | "utc";

const two = (value: number) => String(value).padStart(2, "0");

/** "14:02:11.482"; with the date where it is another day than today. */
export function clock(at: string | number | null | undefined, zone: Zone, now: number, exact = true): string {
  const parts = timeParts(at, zone);
  if (!parts) return UNKNOWN;
  const today = timeParts(now, zone);
  const time = exact ? `${parts.time}.${parts.ms}` : parts.time;
  return today && today.date === parts.date ? time : `${parts.date} ${time}`;
}

/** "2026-11-21 14:02:11.482 +01:00": all of it, for titles and details. */
export function absolute(at: string | number | null | undefined, zone: Zone): string {
  const parts = timeParts(at, zone);
  return parts ? `${parts.date} ${parts.time}.${parts.ms} ${parts.offset}` : UNKNOWN;
}

function timeParts(at: string | number | null | undefined, zone: Zone) {
  if (at === null || at === undefined) return null;
  const minutes = zone === "utc" ? 0 : -new Date(at).getTimezoneOffset();
  // Shifted so that what is said of UTC is the zone's time.
  const shifted = new Date(new Date(at).getTime() + minutes * MINUTE);
  if (Number.isNaN(shifted.getTime())) return null;
  const [date, time] = shifted.toISOString().split("T") as [string, string];
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const offset = zone === "utc" ? "UTC" : `${minutes < 0 ? "-" : "+"}${two(hours)}:${two(rest)}`;
  return { date, time: time.slice(0, 8), ms: time.slice(9, 12), offset };
}
