import { beforeEach, expect, test } from "vitest";
import type { LiveRecord } from "./messages";
import { Socket } from "./socket";

/** A WebSocket that does what the test says. */
class Fake {
  sent: Record<string, unknown>[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  send(text: string) {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }
  close(code = 1000) {
    this.onclose?.({ code, reason: "" });
  }
  say(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  take(type: string) {
    return this.sent.filter((message) => message["type"] === type);
  }
}

let opened: Fake[];
let frames: (() => void)[];
let waits: { act: () => void; ms: number }[];
let told: unknown[];
let socket: Socket;

beforeEach(() => {
  [opened, frames, waits, told] = [[], [], [], []];
  socket = new Socket(
    {
      open: () => {
        const fake = new Fake();
        opened.push(fake);
        return fake as unknown as WebSocket;
      },
      frame: (act) => frames.push(act),
      wait: (act, ms) => {
        const one = { act, ms };
        waits.push(one);
        return () => {
          waits = waits.filter((other) => other !== one);
        };
      },
      random: () => 1,
      now: () => 0,
    },
    {
      connectors: (items) => told.push(items.length),
      lost: (at) => told.push(`lost ${at}`),
      found: () => told.push("found"),
      needsLogin: () => told.push("login"),
      watchRefused: () => told.push("watch refused"),
    },
  );
});

const record = (offset: number) => ({ topic: "t", partition: 0, offset, key: null });
const frame = () => frames.splice(0).forEach((act) => act());
const wait = () => waits.splice(0).forEach((one) => one.act());
const at = (i: number) => {
  const fake = opened[i];
  if (!fake) throw new Error(`no socket ${i}`);
  return fake;
};

test("records are told once a frame, and credit is given for them then", () => {
  const heard: LiveRecord[][] = [];
  socket.subscribe({ topics: ["t"] }, { records: (items) => heard.push(items) });
  at(0).onopen?.();
  expect(at(0).take("subscribe")).toMatchObject([{ id: "s1", topics: ["t"], from: "latest", credit: 500 }]);
  at(0).say({ type: "subscribed", id: "s1", partitions: { t: 1 }, cursor: "0:1" });
  at(0).say({ type: "records", id: "s1", items: [record(1)], cursor: "0:2" });
  at(0).say({ type: "records", id: "s1", items: [record(2)], cursor: "0:3" });
  expect(heard).toEqual([]);
  expect(frames.length).toBe(1);
  frame();
  expect(heard.map((items) => items.map((one) => one.offset))).toEqual([[1, 2]]);
  expect(at(0).take("credit")).toEqual([{ type: "credit", id: "s1", n: 2 }]);
});

test("after a loss each subscription goes on at its cursor, and what waits counts against the credit", () => {
  const heard: number[] = [];
  socket.subscribe({ topics: ["t"], from: "-10", credit: 10 }, { records: (items) => heard.push(...items.map((one) => one.offset)) });
  at(0).onopen?.();
  at(0).say({ type: "subscribed", id: "s1", partitions: { t: 1 }, cursor: "0:1" });
  at(0).say({ type: "records", id: "s1", items: [record(1), record(2)], cursor: "0:3" });
  at(0).onclose?.({ code: 1006, reason: "" });
  expect(told).toContain("lost 1000");
  wait();
  at(1).onopen?.();
  expect(told.at(-1)).toBe("found");
  expect(at(1).take("subscribe")).toMatchObject([{ cursor: "0:3", credit: 8 }]);
  expect(at(1).take("subscribe")[0]).not.toHaveProperty("from");
  frame();
  expect(heard).toEqual([1, 2]);
});

test("tries are ever further apart, half a minute at most", () => {
  socket.watch();
  const tries: number[] = [];
  for (let i = 0; i < 12; i += 1) {
    at(i).onclose?.({ code: 1006, reason: "" });
    tries.push(waits.at(-1)?.ms ?? 0);
    wait();
  }
  expect(tries.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
  expect(Math.max(...tries)).toBe(30_000);
});

test("a topic that is not there takes only its own subscription along", () => {
  const refused: string[] = [];
  const heard: number[] = [];
  socket.subscribe({ topics: ["good"] }, { records: (items) => heard.push(items.length) });
  socket.subscribe({ topics: ["gone"] }, { records: () => {}, refused: (code, message) => refused.push(`${code}: ${message}`) });
  at(0).onopen?.();
  at(0).say({ type: "subscribed", id: "s1", partitions: { good: 1 }, cursor: "0:5" });
  at(0).onclose?.({ code: 4404, reason: "there is no topic gone" });
  expect(told).not.toContain("lost 1000");
  wait();
  at(1).onopen?.();
  expect(at(1).take("subscribe").map((message) => message["id"])).toEqual(["s1"]);
  frame();
  expect(refused).toEqual(["stream/no-topic: there is no topic gone"]);
});

test("a filter that is refused is told, and mended by a change", () => {
  const refused: string[] = [];
  const made = socket.subscribe({ topics: ["t"], where: "nonsense" }, { records: () => {}, refused: (code) => refused.push(code) });
  at(0).onopen?.();
  at(0).say({ type: "error", id: "s1", code: "filter/wrong", message: "no column nonsense" });
  frame();
  expect(refused).toEqual(["filter/wrong"]);
  made.update({ where: "" });
  expect(at(0).take("subscribe").at(-1)).toMatchObject({ id: "s1", where: null });
});

test("numbers are asked for while somebody watches and sees, and their silence is a loss", () => {
  const stop = socket.watch();
  at(0).onopen?.();
  expect(at(0).take("watch")).toEqual([{ type: "watch", what: ["metrics"] }]);
  at(0).say({ type: "metrics", items: [{}, {}], streams: 1 });
  at(0).say({ type: "metrics", items: [{}], streams: 1 });
  frame();
  expect(told).toContain(1);
  expect(told).not.toContain(2);
  socket.seen(false);
  expect(at(0).take("watch").at(-1)).toEqual({ type: "watch", what: [] });
  socket.seen(true);
  expect(waits.map((one) => one.ms)).toEqual([10_000]);
  wait();
  expect(waits.map((one) => one.ms)).toEqual([1000]);
  stop();
});

test("a token that may not see connectors still gets its records", () => {
  socket.watch();
  socket.subscribe({ topics: ["t"] }, { records: () => {} });
  at(0).onopen?.();
  at(0).onclose?.({ code: 1008, reason: "the token may not see connectors" });
  expect(told).toContain("watch refused");
  wait();
  at(1).onopen?.();
  expect(at(1).take("watch")).toEqual([]);
  expect(at(1).take("subscribe").length).toBe(1);
});

test("a token that ended asks for a login and tries no more; nobody's socket is closed", () => {
  const made = socket.subscribe({ topics: ["t"] }, { records: () => {} });
  at(0).onopen?.();
  at(0).onclose?.({ code: 4401, reason: "" });
  expect(told.at(-1)).toBe("login");
  expect(waits).toEqual([]);
  made.close();
  wait();
  expect(opened.length).toBe(1);
});
