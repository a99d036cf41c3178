// What no page may do, whoever visits it: ask another origin, throw, say an error on the browser's console.

/** Calls `fail` with a sentence for each. `mayLog`: parts of what may stand on the console. */
export function watch(page, base, fail, mayLog = []) {
  const { host } = new URL(base);
  page.on("console", (message) => {
    // A browser reports each 404 and 401 there; that of the session says that there are no logins, or that one is needed.
    if (message.type() !== "error" || message.location().url.endsWith("/v1/session")) return;
    if (!mayLog.some((text) => message.text().includes(text))) fail(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => fail(`error: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (/^https?:|^wss?:/.test(url.protocol) && url.host !== host) fail(`asks another origin: ${request.url()}`);
  });
}
