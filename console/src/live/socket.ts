// One WebSocket for all of a tab: many subscriptions by id, and the connectors' states and numbers. Promises that a loss is mended by itself,
// each subscription going on at its cursor; that no more records wait here than there is credit for; that ears are called once an animation
// frame; that tries are jittered and at most half a minute apart; and that one subscription that is refused does not take the others along.

import type { Connector } from "../api/types";
import { parseExact } from "../text/exact";
import { type Live, REFUSALS, deliver, filters, subscribeMessage } from "./asked";
import type { Ear, Said, Wish } from "./messages";
import type { Told, World } from "./world";

const TRY_MS = 500;
const TRY_MS_MAX = 30_000;
/** A socket that nobody needs stays open this long: the next page may need it. */
const IDLE_MS = 5000;
/** With numbers asked for, one comes every second: after this long without any the connection is dead. */
const SILENCE_MS = 10_000;
/** Events of a subscription that are no records and wait for the next frame. */
const EVENTS_MAX = 1000;
/** The server's own limit. */
const SUBSCRIPTIONS_MAX = 100;

export interface Subscription {
  pause: () => void;
  resume: () => void;
  /** Changes filters or view: what comes next is by them. */
  update: (change: Partial<Pick<Wish, "where" | "op" | "key" | "view" | "columns">>) => void;
  close: () => void;
}

export class Socket {
  #socket: WebSocket | null = null;
  #isOpen = false;
  readonly #all = new Map<string, Live>();
  #last = 0;
  #watchers = 0;
  #watchSaid: "no" | "asked" | "yes" | "refused" = "no";
  #isSeen = true;
  #fails = 0;
  #cancelTry: (() => void) | null = null;
  #cancelIdle: (() => void) | null = null;
  #cancelSilence: (() => void) | null = null;
  #isFramed = false;
  #numbers: Connector[] | null = null;

  readonly #world: World;
  readonly #told: Told;

  constructor(world: World, told: Told) {
    this.#world = world;
    this.#told = told;
  }

  subscribe(wish: Wish, ear: Ear): Subscription {
    const live: Live = { id: `s${++this.#last}`, wish: { ...wish }, ear, cursor: wish.cursor, state: "new", isPaused: false, events: [] };
    if (this.#all.size >= SUBSCRIPTIONS_MAX) {
      live.state = "refused";
      ear.refused?.("stream/too-many", `${SUBSCRIPTIONS_MAX} subscriptions are open in this tab already`);
    }
    this.#all.set(live.id, live);
    this.#ask(live);
    this.#need();
    const isThere = () => this.#all.get(live.id) === live;
    const pause = (isPaused: boolean) => {
      if (!isThere() || live.isPaused === isPaused) return;
      live.isPaused = isPaused;
      if (live.state === "live") this.#say({ type: isPaused ? "pause" : "resume", id: live.id });
    };
    return {
      pause: () => pause(true),
      resume: () => pause(false),
      update: (change) => {
        if (!isThere()) return;
        live.wish = { ...live.wish, ...change };
        if (live.state === "live") this.#say({ type: "update", id: live.id, ...filters(live.wish) });
        else if (live.state === "refused") {
          live.state = "new";
          this.#ask(live);
        }
      },
      close: () => {
        if (!isThere()) return;
        this.#all.delete(live.id);
        if (live.state === "live" || live.state === "asked") this.#say({ type: "unsubscribe", id: live.id });
        this.#rest();
      },
    };
  }

  /** Wants states and numbers of the connectors, until what is returned is called. */
  watch(): () => void {
    this.#watchers += 1;
    this.#sayWatch();
    this.#need();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#watchers -= 1;
      this.#sayWatch();
      this.#rest();
    };
  }

  /** A tab that is not seen gets no numbers, and tries at once when it is seen again. */
  seen(isSeen: boolean) {
    this.#isSeen = isSeen;
    this.#sayWatch();
    if (isSeen && this.#cancelTry) this.#connect();
  }

  get #isWanted() {
    return this.#watchers > 0 || [...this.#all.values()].some((live) => live.state !== "refused");
  }

  #need() {
    this.#cancelIdle?.();
    this.#cancelIdle = null;
    if (!this.#socket && !this.#cancelTry && this.#isWanted) this.#connect();
  }

  #rest() {
    if (this.#isWanted || this.#cancelIdle) return;
    this.#cancelIdle = this.#world.wait(() => {
      this.#cancelIdle = null;
      if (this.#isWanted) return;
      this.#cancelTry?.();
      this.#cancelTry = null;
      const socket = this.#socket;
      this.#socket = null;
      this.#isOpen = false;
      socket?.close(1000);
      this.#told.found();
    }, IDLE_MS);
  }

  #connect() {
    this.#cancelTry?.();
    this.#cancelTry = null;
    const socket = this.#world.open();
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      this.#isOpen = true;
      this.#watchSaid = this.#watchSaid === "refused" ? "refused" : "no";
      this.#told.found();
      this.#sayWatch();
      for (const live of this.#all.values()) {
        if (live.state !== "refused") live.state = "new";
        this.#ask(live);
      }
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket && typeof event.data === "string") this.#hear(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code, event.reason);
    };
  }

  #closed(code: number, reason: string) {
    this.#socket = null;
    this.#isOpen = false;
    this.#cancelSilence?.();
    this.#cancelSilence = null;
    if (code === 4401) {
      this.#told.needsLogin();
      return;
    }
    if (code === 1008 || (code >= 4400 && code < 4500)) {
      // The service answers in order: it was the first that has no answer.
      if (code === 1008 && this.#watchSaid === "asked") {
        this.#watchSaid = "refused";
        this.#told.watchRefused();
      } else {
        const guilty = [...this.#all.values()].find((live) => live.state === "asked");
        if (guilty) this.#refuse(guilty, REFUSALS[code] ?? "stream/asked", reason || "the service refused it");
        else this.#fails += 1;
      }
    } else {
      this.#fails += 1;
    }
    if (!this.#isWanted) {
      this.#told.found();
      return;
    }
    const most = Math.min(TRY_MS_MAX, TRY_MS * 2 ** Math.min(this.#fails, 10));
    const wait = most * (0.5 + this.#world.random() / 2);
    if (this.#fails > 0) this.#told.lost(this.#world.now() + wait);
    this.#cancelTry = this.#world.wait(() => this.#connect(), wait);
  }

  #ask(live: Live) {
    if (!this.#isOpen || live.state !== "new") return;
    live.state = "asked";
    this.#say(subscribeMessage(live));
  }

  #sayWatch() {
    if (!this.#isOpen || this.#watchSaid === "refused") return;
    const wants = this.#watchers > 0 && this.#isSeen;
    if (wants === (this.#watchSaid !== "no")) return;
    this.#watchSaid = wants ? "asked" : "no";
    this.#say({ type: "watch", what: wants ? ["metrics"] : [] });
    this.#listen();
  }

  /** Waits for the next number; without one the socket is given up. */
  #listen() {
    this.#cancelSilence?.();
    this.#cancelSilence = null;
    if (this.#watchSaid !== "asked" && this.#watchSaid !== "yes") return;
    const socket = this.#socket;
    this.#cancelSilence = this.#world.wait(() => {
      if (socket === null || this.#socket !== socket) return;
      // The closing of a dead connection takes long: it is not waited for.
      this.#closed(1006, "");
      socket.close();
    }, SILENCE_MS);
  }

  #say(message: object) {
    if (this.#isOpen) this.#socket?.send(JSON.stringify(message));
  }

  #hear(text: string) {
    let said: Said;
    try {
      said = parseExact(text) as Said;
    } catch {
      return;
    }
    this.#fails = 0;
    if (said.type === "metrics") {
      this.#watchSaid = this.#watchSaid === "asked" ? "yes" : this.#watchSaid;
      this.#numbers = said.items;
      this.#listen();
      this.#plan();
      return;
    }
    if (said.type === "state") return;
    const live = this.#all.get(said.id);
    if (!live) return;
    if ("cursor" in said) live.cursor = said.cursor;
    switch (said.type) {
      case "subscribed":
        live.state = "live";
        if (live.isPaused) this.#say({ type: "pause", id: live.id });
        live.events.push(() => live.ear.began?.());
        break;
      case "records":
        live.events.push(said.items);
        break;
      case "caught_up":
        live.events.push(() => live.ear.caughtUp?.());
        break;
      case "gap":
        live.events.push(() => live.ear.gap?.(said));
        break;
      case "skipped":
        live.events.push(() => live.ear.skipped?.(said.n));
        break;
      case "error":
        // A change that is refused leaves what was before it; only a subscription without any before is over.
        if (live.state === "asked") this.#refuse(live, said.code, said.message);
        else live.events.push(() => live.ear.refused?.(said.code, said.message));
        break;
      case "end":
      case "unsubscribed":
        break;
    }
    if (live.events.length > EVENTS_MAX) live.events = live.events.filter((event) => Array.isArray(event));
    this.#plan();
  }

  #refuse(live: Live, code: string, message: string) {
    live.state = "refused";
    live.events.push(() => live.ear.refused?.(code, message));
    this.#plan();
  }

  #plan() {
    if (this.#isFramed) return;
    this.#isFramed = true;
    this.#world.frame(() => {
      this.#isFramed = false;
      this.#flush();
    });
  }

  /** Tells all that came since the last frame, and gives credit for it. */
  #flush() {
    const numbers = this.#numbers;
    this.#numbers = null;
    if (numbers) this.#told.connectors(numbers);
    for (const live of [...this.#all.values()]) {
      const dealt = deliver(live);
      if (dealt > 0 && live.state === "live" && this.#all.has(live.id)) this.#say({ type: "credit", id: live.id, n: dealt });
    }
  }
}
