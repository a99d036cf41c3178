// How smooth a page stays: `frames.mjs BASE_URL TOPIC SERVICE_PID SECONDS KIND...` opens it as the kind says and measures it for so long.
//
//   closed   the topic's records without the tail: what this machine does to any page
//   tail     the live tail, nobody touches it
//   person   the live tail, and somebody who points, scrolls, types and opens rows
//   overview the overview, with its charts and latest changes
//
// A frame is the time between two calls of requestAnimationFrame; a long task is one that the browser reports (50 ms and more); a key's time is from
// its event to the first task after the frame that follows it. All of these are by the clock on the wall, so they hold what others did on the same
// processors. What the page itself is to blame for is the longest task in time of its own thread, from the browser's trace.

import { launch, WINDOW } from "./browser.mjs";
import { load, percentile } from "./machine.mjs";

const [base, topic, service, seconds, ...kinds] = process.argv.slice(2);
const SETTLE_MS = 2000;
const FRAME_MS_MAX = 100;
const topicPath = `/ui/topics/${encodeURIComponent(topic)}`;
const PATHS = { closed: topicPath, tail: `${topicPath}?live=1`, person: `${topicPath}?live=1`, overview: "/ui/" };

/** Begins to measure within the page. */
function watch() {
  const seen = (globalThis.seen = { frames: [], tasks: [], keys: [] });
  let before = performance.now();
  const frame = () => {
    const now = performance.now();
    seen.frames.push(now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((one) => one.duration))).observe({ type: "longtask" });
  const channel = new MessageChannel();
  let asked = [];
  channel.port1.onmessage = () => {
    for (const at of asked) seen.keys.push(performance.now() - at);
    asked = [];
  };
  addEventListener("keydown", (event) => requestAnimationFrame(() => {
    asked.push(event.timeStamp);
    channel.port2.postMessage(0);
  }), { capture: true });
}

/** A round of what somebody does: scrolls and comes back, types a condition and takes it away, opens a row, looks, closes it, lets go. */
async function touch(page, until) {
  const isOver = () => Date.now() >= until;
  for (let round = 0; !isOver(); round += 1) {
    await page.mouse.move(600, 500);
    for (let i = 0; i < 12 && !isOver(); i += 1) {
      await page.mouse.wheel(0, i < 6 ? 240 : -240);
      await page.waitForTimeout(80);
    }
    await page.mouse.move(600, 5);
    await page.waitForTimeout(700);
    await page.keyboard.press("/");
    await page.keyboard.type("after.total > 100", { delay: 60 });
    for (let i = 0; i < 17; i += 1) await page.keyboard.press("Backspace");
    await page.keyboard.press("Escape");
    await page.evaluate(() => document.activeElement?.blur());
    await page.waitForTimeout(300);
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".record-detail", { timeout: 5000 });
    await page.waitForTimeout(600);
    await page.keyboard.press("Enter");
    await page.evaluate(() => document.activeElement?.blur());
    await page.waitForTimeout(1000);
  }
}

/** The longest task of the page's thread by the processor's time, milliseconds. */
function longest(trace) {
  const { traceEvents } = JSON.parse(trace.toString());
  const mains = new Set(traceEvents.filter((one) => one.name === "thread_name" && one.args.name === "CrRendererMain").map((one) => `${one.pid} ${one.tid}`));
  return traceEvents.reduce((most, one) => (one.tdur > most && mains.has(`${one.pid} ${one.tid}`) ? one.tdur : most), 0) / 1000;
}

const told = (values, digits = 0) => `p50 ${percentile(values, 0.5).toFixed(digits)}, p99 ${percentile(values, 0.99).toFixed(digits)}, max ${Math.max(...values).toFixed(digits)} ms`;

const browser = await launch();
try {
  for (const kind of kinds) {
    const context = await browser.newContext(WINDOW);
    const page = await context.newPage();
    let sockets = 0;
    page.on("websocket", () => (sockets += 1));
    await page.goto(new URL(PATHS[kind], base).href);
    await page.waitForSelector(kind === "overview" ? ".ticker tbody tr" : "main tbody tr");
    await page.mouse.move(600, 5);
    await page.waitForTimeout(SETTLE_MS);
    await browser.startTracing(page, { categories: ["toplevel"] });
    await page.evaluate(watch);
    const cost = load(Number(service));
    const until = Date.now() + Number(seconds) * 1000;
    if (kind === "person") await touch(page, until);
    else await page.waitForTimeout(Number(seconds) * 1000);
    const { busy, service: cores, browser: own } = cost();
    const trace = await browser.stopTracing();
    const { frames, tasks, keys } = await page.evaluate(() => globalThis.seen);
    const rate = (await page.locator(".live-rate").allInnerTexts())[0] ?? "";
    const slow = frames.filter((ms) => ms > FRAME_MS_MAX).length;
    console.log(
      `${kind}: ${frames.length} frames, ${told(frames)}, ${slow} over ${FRAME_MS_MAX} ms; longest task ${longest(trace).toFixed(0)} ms of its thread; ${tasks.length} long tasks${tasks.length ? `, max ${Math.max(...tasks).toFixed(0)} ms` : ""}` +
        `${keys.length ? `; ${keys.length} keys, ${told(keys)}` : ""}; processors ${(busy * 100).toFixed(0)} % busy, service ${cores.toFixed(2)} cores, browser ${own.toFixed(2)}; ` +
        `${sockets} WebSocket${rate ? `; the page says "${rate}"` : ""}`,
    );
    await context.close();
  }
} finally {
  await browser.close();
}
