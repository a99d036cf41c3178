// A headless Chromium for the scripts that try the pages, and waiting for what a page shows.
import { chromium } from "playwright-core";

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });

// Looks until `is` is true of what `look` finds.
export async function eventually(look, is, what, seconds = 30) {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (is(found)) return found;
    if (Date.now() > until) throw new Error(`waited in vain for ${what}: ${JSON.stringify(found)}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
