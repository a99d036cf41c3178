// What the console does when things go wrong: the service is away, a login is needed, a request is refused. The service itself is not
// harmed: the browser's requests are answered here instead.

export const TROUBLES = [
  { name: "lost", path: "/ui/", ready: ".tiles", before: cuttable, then: loses, mayLog: ["Failed to load resource", "WebSocket"] },
  { name: "login", path: "/ui/connectors?state=paused", ready: "main.login", before: locked, then: logsIn, mayLog: ["Failed to load resource", "WebSocket"] },
  { name: "login-link", path: "/ui/#login=once_used-before", ready: "main.login", before: locked, then: linkIsGone, mayLog: ["Failed to load resource", "WebSocket"] },
  { name: "refused", path: "/ui/connectors", ready: ".problem", before: refused, then: tellsProblem, mayLog: ["Failed to load resource", "WebSocket"] },
  { name: "hostile", path: "/ui/connectors", ready: "tbody tr", before: hostile, then: showsText, mayLog: ["Failed to load resource", "WebSocket"] },
  { name: "outdated", path: "/ui/no/such/page", then: outdated, mayLog: ["Failed to load resource"] },
  { name: "broken", path: "/ui/connectors", before: nonsense, then: recovers, mayLog: ["Failed to load resource", "WebSocket", "TypeError"] },
];

/** By page: whether the service is away, its sockets, what was said on them. */
const lines = new WeakMap();

async function cuttable(page) {
  const line = { isAway: false, sockets: [], said: [] };
  lines.set(page, line);
  await page.route("**/v1/**", (route) => (line.isAway ? route.abort("connectionrefused") : route.continue()));
  await page.routeWebSocket("**/v1/ws", (socket) => {
    if (line.isAway) {
      void socket.close({ code: 1001 });
      return;
    }
    const server = socket.connectToServer();
    line.sockets.push(socket);
    socket.onMessage((text) => {
      line.said.push(JSON.parse(text));
      server.send(text);
    });
  });
}

/** The bar comes and goes by itself, what was shown stays, and the stream goes on at its cursor. */
async function loses(page, fail) {
  const line = lines.get(page);
  await page.waitForSelector(".ticker tbody tr", { timeout: 20_000 }).catch(() => {});
  const tile = await page.locator(".tile-value").first().innerText();
  line.isAway = true;
  for (const socket of line.sockets) await socket.close({ code: 1001 });
  await page.waitForSelector(".connection p", { timeout: 20_000 }).catch(() => fail("no bar tells that the service is away"));
  if (tile && (await page.locator(".tile-value").count()) !== 4) fail("what was shown is gone");
  const before = line.said.length;
  line.isAway = false;
  await page.waitForSelector(".connection p", { state: "detached", timeout: 20_000 }).catch(() => fail("the bar stays"));
  await page.waitForTimeout(500);
  const again = line.said.slice(before).find((message) => message.type === "subscribe");
  if (!again?.cursor) fail("the stream does not go on at its cursor");
  line.isAway = true;
  for (const socket of line.sockets) await socket.close({ code: 1001 });
  await page.waitForSelector(".connection p", { timeout: 20_000 }).catch(() => fail("the bar does not come a second time"));
}

const TOKEN = "right";
const ME = { authenticated: true, name: "me", scopes: ["admin"], auth: "token" };

/** Nothing without a login; one token is right. */
async function locked(page) {
  let isIn = false;
  await page.route("**/v1/**", async (route) => {
    const request = route.request();
    const isSession = new URL(request.url()).pathname === "/v1/session";
    if (isSession && request.method() === "POST") {
      isIn = request.postDataJSON().token === TOKEN;
      await route.fulfill(isIn ? { json: ME } : problem(401, "the token is not known"));
    } else if (!isIn) {
      await route.fulfill(problem(401, "a token is needed"));
    } else if (isSession) {
      await route.fulfill({ json: ME });
    } else {
      await route.continue();
    }
  });
}

const problem = (status, detail, more = {}) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({ type: "about:blank", title: "Refused", status, detail, request_id: "r-1", error_code: status, message: detail, ...more }),
});

/** A wrong token is told; the right one shows the page that was asked for; the form is shown again at the end. */
async function logsIn(page, fail) {
  await page.fill("#token", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert] p").catch(() => fail("a wrong token is not told"));
  await page.fill("#token", TOKEN);
  await page.keyboard.press("Enter");
  await page.waitForSelector("header.top").catch(() => fail("the right token does not let in"));
  if (!page.url().endsWith("/ui/connectors?state=paused")) fail(`after the login: ${page.url()}`);
  await page.waitForSelector("main h1 ~ .page-actions").catch(() => fail("the page does not come after the login"));
  await page.waitForSelector("text=Log out").catch(() => fail("there is no way out"));
  const kept = await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie);
  if (kept.includes(TOKEN)) fail("the token is kept where scripts see it");
}

async function linkIsGone(page, fail) {
  if (page.url().includes("login=")) fail("the secret stays in the address");
  await page.waitForSelector("text=used before").catch(() => fail("a link that is used up is not told"));
}

async function refused(page) {
  const more = { code: "pg/refused", why: "connection refused", fix: "alter system set wal_level = 'logical';\nselect pg_reload_conf();" };
  await page.route("**/v1/connectors", (route) => route.fulfill(problem(500, "nothing is listening on db:5432", more)));
  await page.routeWebSocket("**/v1/ws", (socket) => void socket.close({ code: 1008, reason: "the token may not see connectors" }));
}

async function tellsProblem(page, fail) {
  const text = await page.locator(".problem").innerText();
  for (const part of ["pg/refused", "nothing is listening on db:5432", "connection refused", "rowfeed explain pg/refused", "Try again"]) {
    if (!text.includes(part)) fail(`the problem does not say "${part}"`);
  }
}

const EVIL = `<img src=x onerror="document.title='broken in'">'"&\u202e`;

/** A service whose names are code: all of it is shown as text. */
async function hostile(page) {
  await page.routeWebSocket("**/v1/ws", (socket) => void socket.close({ code: 1008 }));
  await page.route("**/v1/connectors", async (route) => {
    const answer = await route.fetch();
    const { items } = await answer.json();
    const one = { ...items[0], name: EVIL, source: EVIL, slot: EVIL, problem: { code: "x/y", what: EVIL, at: EVIL, why: EVIL, fix: "javascript:alert(1)" } };
    await route.fulfill({ json: { items: [one], next_cursor: null } });
  });
}

async function showsText(page, fail) {
  const head = page.locator("tbody th a");
  if (!(await head.innerText()).includes("<img src=x")) fail("the name is not shown as it is");
  const href = (await head.getAttribute("href")) ?? "";
  if (!href.startsWith("/ui/connectors/%3Cimg")) fail(`the link leads to ${href}`);
  if ((await page.title()).includes("broken in")) fail("a name was run as code");
  if ((await page.locator("main img").count()) > 0) fail("a name became an element");
}

/** An update of the service took the old program away: the tab has all of its pages already. */
async function outdated(page, fail) {
  await page.route("**/assets/*.js", (route) => route.fulfill({ status: 404, body: "" }));
  await page.click("header a >> text=Groups");
  await page.waitForSelector("main h1 >> text=Groups", { timeout: 20_000 }).catch(() => fail("a page does not come after an update of the service"));
}

/** An answer that no page is made for. */
async function nonsense(page) {
  await page.routeWebSocket("**/v1/ws", (socket) => void socket.close({ code: 1008 }));
  await page.route("**/v1/connectors", (route) => route.fulfill({ json: { items: [null] } }));
}

/** One page breaks: it says so, and the others work. */
async function recovers(page, fail) {
  await page.waitForSelector("text=This page has a mistake", { timeout: 20_000 }).catch(() => fail("a page that breaks is not told"));
  await page.click("header a >> text=Groups");
  await page.waitForSelector("main h1 >> text=Groups", { timeout: 20_000 }).catch(() => fail("the next page does not come"));
}
