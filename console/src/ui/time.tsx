// A time: exact by the zone that was chosen, or how long ago, with all of it in the title.

import { now } from "../app/now";
import { zone } from "../app/preferences";
import { absolute, clock, relative } from "../text/format";

type At = string | number | null | undefined;

const iso = (at: At) => {
  const date = at === null || at === undefined ? null : new Date(at);
  return date && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;
};

/** "14:02:11.482", with the date where it was another day. */
export function Clock({ at, exact = true }: { at: At; exact?: boolean }) {
  return (
    <time class="nowrap" dateTime={iso(at)} title={absolute(at, zone.value)}>
      {clock(at, zone.value, now.value, exact)}
    </time>
  );
}

/** "12 min ago", moving on by itself. */
export function Ago({ at }: { at: At }) {
  return (
    <time class="nowrap" dateTime={iso(at)} title={absolute(at, zone.value)}>
      {relative(at, now.value)}
    </time>
  );
}
