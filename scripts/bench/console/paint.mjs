// How soon the console is there: `paint.mjs BASE_URL [LOADS]` opens the overview in a fresh context each time, nothing cached, and tells when the
// first paint was, the first content, the table of connectors, and the first chart with its lines. Times are the page's own, from the beginning of
// its navigation; what is drawn counts with the frame that shows it.

import { launch, WINDOW } from "./browser.mjs";
import { percentile } from "./machine.mjs";

const [base, loads = "10"] = process.argv.slice(2);
const WHAT = ["first-paint", "first-contentful-paint", "table", "chart"];

const browser = await launch();
const all = [];
try {
  for (let i = 0; i < Number(loads); i += 1) {
    const context = await browser.newContext(WINDOW);
    const page = await context.newPage();
    await page.addInitScript(() => {
      const seen = (globalThis.seen = {});
      const wanted = { table: "main tbody tr th a[href*='/connectors/']", chart: ".plot .line path" };
      const look = () => {
        for (const [name, selector] of Object.entries(wanted)) {
          if (name in seen || !document.querySelector(selector)) continue;
          seen[name] = null;
          requestAnimationFrame(() => setTimeout(() => (seen[name] = performance.now())));
        }
      };
      new MutationObserver(look).observe(document, { childList: true, subtree: true });
    });
    await page.goto(new URL("/ui/", base).href);
    await page.waitForFunction(() => globalThis.seen.table && globalThis.seen.chart, undefined, { timeout: 30_000 });
    all.push(
      await page.evaluate(() => {
        const paints = Object.fromEntries(performance.getEntriesByType("paint").map((one) => [one.name, one.startTime]));
        return { ...paints, ...globalThis.seen };
      }),
    );
    await context.close();
  }
} finally {
  await browser.close();
}
for (const name of WHAT) {
  const times = all.map((one) => one[name]);
  console.log(`${name}: p50 ${percentile(times, 0.5).toFixed(0)} ms, max ${Math.max(...times).toFixed(0)} ms (${times.map((time) => time.toFixed(0)).join(" ")})`);
}
