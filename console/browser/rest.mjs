// Groups, subscriptions, slots, settings, login and the API's reference. Subscriptions are made for the visit, with a receiver that runs
// here and refuses the first request of each record; where the service does not take them there is nothing to show. With REDIS=redis://...
// a cache's keys are explained, too.

import { createServer } from "node:http";

const json = { "content-type": "application/json" };
const SECRET = `whsec_${Buffer.from("a secret of the browser's suite, long enough").toString("base64")}`;
const MARKUP = "<img src=x onerror=document.title='run'>";

/** Answers 503 to the first try of each record, then 200. */
let receiver;
async function received() {
  if (receiver) return receiver;
  const seen = new Set();
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      const id = request.headers["webhook-id"];
      const isFirst = !seen.has(id);
      seen.add(id);
      response.writeHead(isFirst ? 503 : 200, { "content-type": "text/html" }).end(isFirst ? `busy ${MARKUP}` : "taken");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  receiver = `http://127.0.0.1:${server.address().port}/hooks`;
  return receiver;
}

async function topicOf(base) {
  const { items } = await (await fetch(new URL("/v1/topics", base))).json();
  return items.filter((one) => !one.internal).sort((a, b) => b.records - a.records)[0]?.name;
}

/** Makes a subscription; its page, or null where that is refused. */
async function made(base, name, config) {
  const topic = await topicOf(base);
  if (!topic) return null;
  const body = JSON.stringify({ topics: [topic], ...config });
  const answer = await fetch(new URL(`/v1/subscriptions/${name}`, base), { method: "PUT", headers: json, body });
  return answer.ok ? `/ui/subscriptions/${name}` : null;
}

/** Takes it away again, where it was made. */
const forget = (name) => async (base) => {
  const address = new URL(`/v1/subscriptions/${name}`, base);
  if ((await fetch(address)).ok) await fetch(address, { method: "DELETE" });
};
const HOOK = { after: forget("browser-hook") };

const webhook = (tab) => async (base) => {
  const path = await made(base, "browser-hook", { type: "webhook", url: await received(), secret: SECRET, from: "-20", retries: "2s,1h", view: "diff" });
  return path && `${path}${tab}`;
};

const cache = async (base) => {
  const url = process.env.REDIS;
  const path = url ? await made(base, "browser-cache", { type: "redis", url, keys: ["row:{id}"], from: "-20" }) : null;
  return path && `${path}?tab=key`;
};

/** A group with offsets: that of a subscription is one. */
const group = async (base) => {
  const { items } = await (await fetch(new URL("/v1/groups", base))).json();
  const own = items.find((one) => !one.name.startsWith("rowfeed.sub.")) ?? items[0];
  return own ? `/ui/groups/${encodeURIComponent(own.name)}` : null;
};

/** Not the rows of the chart's table, which is closed. */
const SLOTS = "[aria-label='Replication slots'] tbody tr, .empty";

export const REST = [
  { name: "groups", path: "/ui/groups?all=1", ready: "tbody tr, .empty" },
  { name: "groups-none", path: "/ui/groups", ready: ".empty", before: (page) => page.route("**/v1/groups", (route) => route.fulfill({ json: { items: [], next_cursor: null } })), then: teaches },
  { name: "group", path: group, ready: ".facts" },
  { name: "seek", path: group, ready: ".facts", then: previews },
  { name: "subscriptions", path: "/ui/subscriptions", ready: "tbody tr, .empty" },
  { name: "subscription-new", path: "/ui/subscriptions?new=webhook", ready: ".sub-form", then: fillsIn },
  { name: "subscription", path: webhook(""), ready: ".facts", ...HOOK },
  { name: "subscription-config", path: webhook("?tab=config&edit=1"), ready: ".sub-form", then: keepsSecrets, ...HOOK },
  { name: "deliveries", path: webhook("?tab=deliveries"), ready: ".log tbody tr", then: opensDelivery, ...HOOK },
  { name: "replay", path: webhook("?tab=deliveries"), ready: ".log tbody tr", then: replays, ...HOOK },
  { name: "test-fire", path: webhook(""), ready: ".facts", then: fires, ...HOOK },
  { name: "cache-key", path: cache, ready: ".ask", then: explains, after: forget("browser-cache") },
  { name: "slots", path: "/ui/slots", ready: SLOTS },
  { name: "slots-unknown", path: "/ui/slots", ready: ".say-warn", before: unreachable, then: knowsNone },
  { name: "slots-full", path: "/ui/slots", ready: SLOTS, before: fullSlots, then: drops },
  { name: "settings", path: "/ui/settings", ready: "tbody tr, .empty", mayLog: ["404"] },
  { name: "settings-mistaken", path: "/ui/settings", ready: "tbody tr", before: mistaken, then: tellsMistakes },
  { name: "tokens", path: "/ui/settings?tab=tokens", ready: "tbody tr, .empty", then: makesToken },
  { name: "loggers", path: "/ui/settings?tab=logging", ready: "tbody select" },
  { name: "this-browser", path: "/ui/settings?tab=browser", ready: ".choice" },
  { name: "about", path: "/ui/settings?tab=about", ready: ".facts" },
  { name: "api", path: "/ui/api?op=getV1Groups", ready: ".operation", then: tries },
  { name: "api-asks", path: "/ui/api?op=postV1GroupsGroupSeek&q=group", ready: ".operation", then: asksFirst },
  { name: "login", path: "/ui/login?next=/ui/slots", ready: "main h1", before: needsLogin, then: logsIn, mayLog: ["401"] },
];

/** The line to try has the address that this service tells Kafka clients, and a topic that is there. */
async function teaches(page, fail) {
  const { kafka } = await (await page.request.get(new URL("/v1/status", page.url()).href)).json();
  const says = kafka ? `kcat -b ${kafka.address} -G my-group` : "no address for Kafka clients";
  await page.waitForSelector(`text=${says}`, { timeout: 20_000 }).catch(() => fail(`an empty list does not say "${says}"`));
}

/** The dry run shows before and after; nothing is moved. */
async function previews(page, fail) {
  const button = page.locator("button", { hasText: "Move offsets" });
  if ((await button.count()) === 0) return;
  await button.click();
  await page.fill("dialog input[type=text]", "start");
  await page.waitForSelector("dialog .preview tbody tr, dialog .muted:has-text('committed nothing')", { timeout: 20_000 }).catch(() => fail("there is no preview"));
  await page.fill("dialog input[type=text]", "nowhere");
  await page.waitForSelector("dialog .say-error").catch(() => fail("a place that is none is not told"));
  await page.fill("dialog input[type=text]", "-10");
  await page.waitForSelector("dialog .preview tbody tr", { timeout: 20_000 }).catch(() => undefined);
  await page.locator("dialog summary").click();
}

/** The file beside the form follows what is typed, and never shows a secret. */
async function fillsIn(page, fail) {
  const field = (label) => page.getByLabel(label, { exact: true });
  await field("Name").fill("orders-hook");
  await field("topics *").fill("shop.public.orders, shop.public.customers");
  await field("url *").fill("https://app.example.com/hooks/very-secret");
  await field("secret *").fill(SECRET);
  const text = await page.locator(".sub-form aside").innerText();
  for (const part of ["[subscriptions.orders-hook]", 'topics = ["shop.public.orders", "shop.public.customers"]', 'secret = "********"']) if (!text.includes(part)) fail(`the file does not say ${part}`);
  if (!text.includes("write that again there")) fail("nothing says what the stars stand for");
  await page.locator(".sub-form aside summary").click();
  const all = await page.locator(".sub-form aside").innerText();
  if (all.includes(SECRET) || all.includes("very-secret")) fail("a secret is shown");
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]));
  if (stored.includes("whsec_")) fail("a secret is stored");
  await field("secret *").fill("${env:ORDERS_WHSEC}");
}

/** What is masked stays when something else is changed. */
async function keepsSecrets(page, fail) {
  await page.getByLabel("where", { exact: true }).fill("op <> 'r'");
  await page.click("text=Save");
  await page.waitForSelector(".toast.ok:has-text('is changed')", { timeout: 20_000 }).catch(() => fail("it is not changed"));
  await page.waitForSelector(".facts");
}

/** Request and answer stand in the log, as text whatever they hold. */
async function opensDelivery(page, fail) {
  await page.locator(".log button[aria-expanded=false]").first().click();
  await page.waitForSelector(".log .details .exchange").catch(() => fail("a delivery does not open"));
  await page.getByRole("button", { name: "Failed", exact: true }).click();
  if (!page.url().includes("state=failed")) fail("the filter is not in the address");
  await page.waitForTimeout(400);
  if ((await page.locator(".log .details").count()) > 0 && !(await page.locator(".log .details").innerText()).includes("webhook-id")) fail("the id is not told");
  if ((await page.title()).startsWith("run") || (await page.locator("main img").count()) > 0) fail("an answer's markup was not text");
}

/** A record is chosen and sent again. */
async function replays(page, fail) {
  await page.locator(".log input[type=checkbox]").first().check();
  await page.locator("button", { hasText: "Replay selected (1)" }).click();
  await page.locator("dialog .primary").click();
  await page.waitForSelector(".toast.ok:has-text('1 record')", { timeout: 20_000 }).catch(() => fail("it is not sent again"));
  await page.locator(".page-actions button", { hasText: "Replay" }).click();
  await page.locator("dialog summary").click();
}

/** A test shows both sides to the byte; markup of the receiver is text. */
async function fires(page, fail) {
  await page.locator(".page-actions button", { hasText: "Test" }).click();
  await page.locator("dialog .primary").click();
  await page.waitForSelector("dialog .exchange", { timeout: 20_000 }).catch(() => fail("no attempt is shown"));
  const text = await page.locator("dialog .exchange").innerText();
  for (const part of ["webhook-signature: v1,", "HTTP "]) if (!text.includes(part)) fail(`the attempt does not say "${part}"`);
  if ((await page.locator("dialog img").count()) > 0) fail("an answer's markup was not text");
}

/** Why was this key deleted: the newest change of the topic is. */
async function explains(page, fail) {
  const base = new URL(page.url()).origin;
  const topic = await topicOf(base);
  await page.waitForTimeout(2000);
  const answer = await fetch(`${base}/v1/topics/${topic}/records?format=json&from=latest&direction=backward&limit=1`);
  const [record] = (await answer.json()).items;
  await page.fill(".ask input", `row:${record?.key?.id ?? 1}`);
  await page.locator(".ask button").first().click();
  await page.waitForSelector("text=was last taken away because", { timeout: 20_000 }).catch(() => fail("it is not explained"));
  await page.waitForTimeout(500);
}

/** A slot that fills up, one without a reader, one that is lost; and dropping wants the name typed. */
async function fullSlots(page) {
  const GIB = 1024 ** 3;
  await page.route("**/v1/slots", async (route) => {
    const answer = await route.fetch();
    const { items } = await answer.json();
    const one = items[0];
    const made = [
      { ...one, slot: "crm_slot", connector: "crm", active: true, holder: "pid 7 (user cdc, application 'rowfeed crm', from 10.0.0.7)", active_pid: 7, retained_bytes: 4.2 * GIB, safe_bytes: 3.8 * GIB },
      { ...one, slot: "old_dbz", connector: null, active: false, active_pid: null, holder: "", inactive_s: 86_400 * 3, retained_bytes: 7.6 * GIB, safe_bytes: 0.4 * GIB, wal_status: "extended" },
      { ...one, slot: "gone", connector: null, active: false, holder: "", wal_status: "lost", retained_bytes: null, safe_bytes: null },
    ];
    await route.fulfill({ json: { items: made, unreached: [{ server: "db2:5432", problem: "pg/refused: nothing is listening on db2:5432" }] } });
  });
  await page.route("**/v1/series?*", async (route) => {
    const now = Date.now();
    const points = Array.from({ length: 60 }, (_, i) => ({ ts: new Date(now - (59 - i) * 60_000).toISOString(), value: 3.6 * GIB + i * 0.01 * GIB }));
    await route.fulfill({ json: { metric: "retained_bytes", unit: "bytes", connector: "crm", step_ms: 60_000, points } });
  });
}

/** No server answers: that is not the same as no slots. */
async function unreachable(page) {
  await page.route("**/v1/slots", (route) => route.fulfill({ json: { items: [], unreached: [{ server: "db:5432", problem: "pg/refused: nothing is listening on db:5432" }] } }));
}

async function knowsNone(page, fail) {
  if ((await page.locator(".empty").count()) > 0) fail("slots that are not known are said not to be there");
}

async function drops(page, fail) {
  await page.waitForSelector("text=about 6 h", { timeout: 20_000 }).catch(() => fail("the time that is left is not told"));
  const text = await page.locator("[aria-label='Replication slots']").innerText();
  for (const part of ["4.2 GiB of 8 GiB", "nobody for 3 d", "lost", "rowfeed crm", "in use by pid 7"]) if (!text.includes(part)) fail(`nothing says "${part}"`);
  if (await page.getByRole("button", { name: "Drop crm_slot …" }).count()) fail("a slot that is being read is offered to be dropped");
  await page.getByRole("button", { name: "Drop old_dbz …" }).click();
  const button = page.locator("dialog .danger");
  if (await button.isEnabled()) fail("a slot is dropped without its name");
  await page.fill("dialog input", "old_dbz");
  if (!(await button.isEnabled())) fail("the name does not suffice");
}

/** Settings with a mistake in a file. */
async function mistaken(page) {
  const setting = (name, value, source, from) => ({ name, value, source, from, line: null, doc: "what it is" });
  await page.route("**/v1/config", (route) =>
    route.fulfill({
      json: {
        schema: "rowfeed/config@1",
        file: "/etc/rowfeed/rowfeed.toml",
        items: [setting("http.listen", "127.0.0.1:8083", "default", "default"), setting("http.jwt_secret", "********", "environment", "ROWFEED_HTTP_JWT_SECRET"), setting("log.retention", "30d", "file", "rowfeed.toml:9:1")],
        warnings: ["ROWFEED_LISTEN is not a setting"],
        read: { at: new Date().toISOString(), successful: false, needs_restart: ["http.listen"], problems: [{ connector: null, code: "config/value", message: "log.retention = 30x is not allowed", at: "rowfeed.toml:9:1", why: "it is a duration", fix: "log.retention = \"30d\"" }] },
        connectors: { folder: "/etc/rowfeed/connectors", watched: true, read_at: new Date().toISOString(), read: null, files: [] },
      },
    }),
  );
}

async function tellsMistakes(page, fail) {
  const text = await page.locator("main").innerText();
  for (const part of ["rowfeed.toml:9:1", "log.retention = 30x", "ROWFEED_LISTEN is not a setting", "next start"]) if (!text.includes(part)) fail(`nothing says "${part}"`);
}

/** The secret is shown once, and is gone with the dialog. */
async function makesToken(page, fail) {
  const name = `browser-${Date.now()}`;
  await page.click("text=New token");
  await page.fill("dialog input[type=text] >> nth=0", name);
  await page.getByLabel("read:metrics").check();
  await page.locator("dialog .primary").click();
  await page.waitForSelector("dialog:has-text('only time')", { timeout: 20_000 }).catch(() => fail("no token is shown"));
  const secret = await page.locator("dialog .code code").innerText();
  await page.click("text=Done");
  await page.waitForSelector("dialog", { state: "detached" });
  const all = await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  if (secret === "" || all.includes(secret)) fail("the secret is still there");
  await page.getByRole("button", { name: `Revoke ${name} …` }).click();
  await page.locator("dialog .danger").click();
  await page.waitForSelector(".toast.ok:has-text('is revoked')", { timeout: 20_000 }).catch(() => fail("it is not revoked"));
}

async function tries(page, fail) {
  await page.locator(".try .primary").click();
  await page.waitForSelector(".try .say-ok", { timeout: 20_000 }).catch(() => fail("a GET is not tried"));
  await page.fill(".reference .filter", "seek");
  if (!(await page.locator(".reference nav").innerText()).includes("/v1/groups/{group}/seek")) fail("the search does not find an operation");
}

/** What changes something asks first. */
async function asksFirst(page, fail) {
  let sent = 0;
  page.on("request", (request) => (sent += request.method() === "POST" ? 1 : 0));
  await page.getByLabel("group *").fill("no-such-group");
  await page.locator(".try button", { hasText: "Try it" }).click();
  await page.waitForSelector("dialog[open]").catch(() => fail("it does not ask"));
  if (sent > 0) fail("it was sent before it asked");
}

/** A service that wants a login; a token is posted once, and leads to the page that was asked for. */
async function needsLogin(page) {
  let known = false;
  await page.route("**/v1/session", async (route) => {
    if (route.request().method() === "POST") known = route.request().postDataJSON().token === "right";
    if (known) await route.fulfill({ json: { authenticated: true, name: "ada", scopes: ["admin"], auth: "token" } });
    else await route.fulfill({ status: 401, json: { title: "Unauthorized", status: 401, detail: "a token is needed", code: "http/token" } });
  });
}

async function logsIn(page, fail) {
  await page.waitForSelector("#token");
  await page.fill("#token", "wrong");
  await page.locator("form button").click();
  await page.waitForSelector("[role=alert] .say-error").catch(() => fail("a wrong token is not told"));
  if ((await page.inputValue("#token")) !== "") fail("a wrong token stays in its field");
  await page.fill("#token", "right");
  await page.locator("form button").click();
  await page.waitForURL("**/ui/slots", { timeout: 20_000 }).catch(() => fail("the login does not lead on"));
  await page.waitForSelector(SLOTS);
}
