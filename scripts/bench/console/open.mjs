// A topic's live tail in a browser, until its input ends: `open.mjs BASE_URL TOPIC`. Says "open" when it shows records.

import { launch, WINDOW } from "./browser.mjs";

const [base, topic] = process.argv.slice(2);
const browser = await launch();
const page = await (await browser.newContext(WINDOW)).newPage();
await page.goto(new URL(`/ui/topics/${encodeURIComponent(topic)}?live=1`, base).href);
await page.waitForSelector(".live.on");
await page.waitForSelector("main tbody tr");
console.log("open");
process.stdin.on("end", async () => {
  await browser.close();
  process.exit(0);
});
process.stdin.resume();
