// The live tail of a topic, from where a page of records ended. Promises that nothing between the page and the tail is missed, that a loss of the
// service is mended by the cursor and told, and that the list stands still while somebody reads it.

import { useCallback, useEffect, useMemo, useRef } from "preact/hooks";
import { type Signal, signal } from "@preact/signals";
import { isAway, useSubscription } from "../../live/live";
import type { LiveRecord, Wish } from "../../live/messages";
import { type DiffRecord, lineOf } from "../../text/change";
import { clock, count, duration } from "../../text/format";
import { zone } from "../../app/preferences";
import type { Found } from "./found";
import { Meter, ROWS_MOST, type Tail, came, shown, tailOf, watched } from "./tail";

/** Rows a second that a person can still see come; what is beyond is counted. */
const SAMPLE = 200;
/** Rows that a frame adds, once somebody reads. */
const DRAWN_MOST = 20;
/** Between two drawings: a second's sample comes at once, and each drawing moves every row. */
const DRAW_MS = 100;
/** What happened to the tail, told above it. */
const NOTES_MAX = 3;
/** How often the rate is looked at, and what came told to a screen reader. */
const RATE_MS = 1000;
const SAID_MS = 10_000;

export interface LiveTail {
  tail: Signal<Tail>;
  /** Records a second: shown, and in all. */
  rate: Signal<{ shown: number; all: number }>;
  notes: Signal<readonly string[]>;
  /** Rows to draw while it goes: few, and all of them step by step once somebody reads. */
  drawn: Signal<number>;
  /** For screen readers, every ten seconds. */
  said: Signal<string>;
  /** The tail was refused, with why. */
  refused: Signal<string>;
  hold: (isHeld: boolean) => void;
  show: () => void;
}

/** What to subscribe to, so that it goes on where the page ended. */
export function wishOf(topic: string, { asked, partitions }: Found): Wish {
  const { where, op, key, partition } = asked;
  const from = partitions.map((one) => `${one.partition}:${one.end}`).join(",");
  return {
    topics: [topic],
    from: from || "latest",
    view: "diff",
    sample: SAMPLE,
    ...(where ? { where } : {}),
    ...(op ? { op } : {}),
    ...(key ? { key } : {}),
    ...(partition ? { partition: Number(partition) } : {}),
  };
}

const line = (record: LiveRecord) => lineOf(record as unknown as DiffRecord);

/** `page` is what the list begins with; a null wish follows nothing and leaves the rows. */
export function useLiveTail(page: Found | undefined, wish: Wish | null): LiveTail {
  const tail = useMemo(() => signal(tailOf([])), []);
  const rate = useMemo(() => signal({ shown: 0, all: 0 }), []);
  const notes = useMemo(() => signal<readonly string[]>([]), []);
  const said = useMemo(() => signal(""), []);
  const refused = useMemo(() => signal(""), []);
  const meter = useRef(new Meter());
  const drawn = useMemo(() => signal(watched(innerHeight)), []);
  const isHeld = useRef(false);
  const more = useRef(0);
  const queue = useRef<LiveRecord[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout> | 0>(0);
  const sinceSaid = useRef(0);
  const awayAt = useRef(0);
  const isFollowing = wish !== null;

  const note = (text: string) => (notes.value = [text, ...notes.peek()].slice(0, NOTES_MAX));

  useEffect(() => {
    if (page) tail.value = tailOf(page.lines);
    notes.value = [];
    refused.value = "";
  }, [page]);

  /** Draws all rows, some in each frame. */
  const grow = () => {
    cancelAnimationFrame(more.current);
    drawn.value = Math.min(ROWS_MOST, drawn.peek() + DRAWN_MOST);
    more.current = drawn.peek() < ROWS_MOST ? requestAnimationFrame(grow) : 0;
  };
  const drawFew = () => {
    cancelAnimationFrame(more.current);
    drawn.value = watched(innerHeight);
  };
  useEffect(() => () => cancelAnimationFrame(more.current), []);

  useEffect(() => {
    if (!isFollowing) {
      grow();
      return;
    }
    drawFew();
    refused.value = "";
    meter.current = new Meter();
    sinceSaid.current = 0;
    const reads = setInterval(() => {
      const now = meter.current.read(Date.now());
      const before = rate.peek();
      if (now.shown !== before.shown || now.all !== before.all) rate.value = now;
    }, RATE_MS);
    const says = setInterval(() => {
      if (sinceSaid.current > 0) said.value = `${count(sinceSaid.current)} new ${sinceSaid.current === 1 ? "change" : "changes"}`;
      sinceSaid.current = 0;
    }, SAID_MS);
    return () => {
      clearTimeout(timer.current);
      timer.current = 0;
      tail.value = came(tail.peek(), queue.current.map(line), isHeld.current);
      queue.current = [];
      clearInterval(reads);
      clearInterval(says);
      rate.value = { shown: 0, all: 0 };
      said.value = "";
      awayAt.current = 0;
    };
  }, [isFollowing]);

  /** Draws what waits at once: only as many rows as the window shows are in the page, and those that would be pushed out at once never are. */
  const draw = () => {
    timer.current = 0;
    if (queue.current.length === 0) return;
    tail.value = came(tail.peek(), queue.current.map(line), isHeld.current);
    queue.current = [];
    timer.current = setTimeout(draw, DRAW_MS);
  };

  // The moment of the loss, for the note when it is over.
  useEffect(
    () =>
      isAway.subscribe((away) => {
        if (away && awayAt.current === 0) awayAt.current = Date.now();
      }),
    [],
  );

  useSubscription(wish, {
    records: (items) => {
      meter.current.add(items.length, 0, Date.now());
      sinceSaid.current += items.length;
      queue.current = [...queue.current, ...items].slice(-ROWS_MOST);
      if (timer.current === 0) draw();
    },
    skipped: (n) => {
      meter.current.add(0, n, Date.now());
      sinceSaid.current += n;
    },
    gap: (gap) => note(`Retention removed ${gap.missing === undefined ? "some" : count(gap.missing)} records before they were read here.`),
    began: () => {
      refused.value = "";
      if (awayAt.current === 0) return;
      const now = Date.now();
      const from = clock(awayAt.current, zone.peek(), now, false);
      note(`The service did not answer from ${from} on, for ${duration(now - awayAt.current)}. The list went on exactly where it stopped.`);
      awayAt.current = 0;
    },
    refused: (_code, message) => {
      refused.value = message;
    },
  });

  return {
    tail,
    rate,
    drawn,
    notes,
    said,
    refused,
    hold: useCallback((held: boolean) => {
      if (isHeld.current === held) return;
      isHeld.current = held;
      if (held) {
        grow();
      } else {
        drawFew();
        tail.value = shown(tail.peek());
      }
    }, []),
    show: useCallback(() => {
      tail.value = shown(tail.peek());
    }, []),
  };
}
