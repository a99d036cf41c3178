// The README's pictures: ten pages of a scene, 1440 x 900, light and dark.
//
//   node browser/shots.mjs BASE_URL FOLDER URL_FOR_THE_WIZARD [PICTURE ...]
//
// scripts/console_shots.sh sets the scene (shop, billing, crm) and runs it. Names are the pictures' files: overview-light.png. Nothing is checked here:
// that is run.mjs'; what cannot be taken is told, and the others are taken.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, folder, database, ...only] = process.argv.slice(2);
if (!database) {
  console.error("say which service, where to, and a database for the wizard: node browser/shots.mjs http://127.0.0.1:8083 shots postgres://app@127.0.0.1/warehouse");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const WINDOW = { width: 1440, height: 900 };
const PATIENCE_MS = 20_000;
/** For what comes in after a page is drawn: charts, the latest changes. */
const REST_MS = 1500;

/** Name, page, what must be there, what is done before the picture. */
const PICTURES = [
  ["overview", "/ui/", ".ticker tbody tr", null],
  ["connectors", "/ui/connectors", "main tbody tr", null],
  ["connector", "/ui/connectors/shop", ".band [role=option]", null],
  ["snapshot", "/ui/connectors/billing?tab=snapshot", "[role=progressbar]", null],
  ["wizard-findings", "/ui/connectors/new", "main h2", examined],
  ["wizard-tables", "/ui/connectors/new", "main h2", tablesChosen],
  ["records", "/ui/topics/shop.public.orders?where=changed(paid_at)", "tbody tr .expand", opened],
  ["live", "/ui/topics/shop.public.orders?live=1", "tbody tr .expand", (page) => page.waitForTimeout(6000)],
  ["deliveries", "/ui/subscriptions/order-mails?tab=deliveries&state=failed", "main tbody tr", read],
  ["slots", "/ui/slots", "text=crm_slot", null],
];

async function examined(page) {
  await page.getByLabel("URL of the database").fill(database);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".findings-sum b", { timeout: PATIENCE_MS });
  await page.locator(".findings-sum").evaluate((sum) => scrollTo(0, sum.getBoundingClientRect().top + scrollY - 72));
}

async function tablesChosen(page) {
  await examined(page);
  await page.goto(new URL("/ui/connectors/new?step=2", base).href);
  for (const table of ["bins", "deliveries", "items"]) await page.getByRole("checkbox", { name: table }).first().check();
  await page.mouse.move(5, 5);
}

async function opened(page) {
  await page.locator("tbody tr .expand").nth(1).click();
  await page.waitForSelector(".record-detail .diff", { timeout: PATIENCE_MS });
  await page.getByRole("button", { name: /^Show \d+ unchanged/ }).click();
  await page.mouse.move(5, 5);
}

async function read(page) {
  await page.locator("tbody button[aria-expanded=false]").first().click();
  await page.mouse.move(5, 5);
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let failed = 0;
for (const [name, path, ready, before] of PICTURES.filter(([name]) => only.length === 0 || only.includes(name))) {
  for (const theme of ["light", "dark"]) {
    const context = await browser.newContext({ colorScheme: theme, viewport: WINDOW, reducedMotion: "reduce", locale: "en-GB" });
    const page = await context.newPage();
    try {
      await page.goto(new URL(path, base).href);
      await page.waitForSelector(ready, { timeout: PATIENCE_MS });
      await before?.(page);
      await page.waitForTimeout(REST_MS);
      await page.screenshot({ path: join(folder, `${name}-${theme}.png`) });
    } catch (error) {
      failed += 1;
      console.error(`${name} ${theme}: ${error.message.split("\n")[0]}`);
    }
    await context.close();
  }
}
await browser.close();
process.exit(failed === 0 ? 0 : 1);
