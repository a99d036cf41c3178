// How the console is built: base /ui/, hashed names under assets/, nothing inlined into the page, the API proxied while developing.
import { defineConfig } from "vitest/config";

/** The program the development and preview servers ask: ROWFEED=http://127.0.0.1:8083 unless the environment says otherwise. */
const target = process.env["ROWFEED"] ?? "http://127.0.0.1:8083";

/** All of the API; /ui/ itself stays with Vite. */
const proxy = {
  "^/(v1|connectors|connector-plugins|admin|health|livez|readyz|metrics|openapi\\.json|subjects|schemas|config|mode|contexts)(/|\\?|$)": {
    target,
    ws: true,
  },
};

/** What the program sends, too: what breaks under it is seen here first. */
const headers = {
  "Content-Security-Policy":
    "default-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

export default defineConfig({
  base: "/ui/",
  // h(type, props, ...children) is shorter than the jsx(type, { ...props, children }) of the newer way.
  oxc: { jsx: { runtime: "classic", pragma: "h", pragmaFrag: "Fragment" }, jsxInject: 'import { Fragment, h } from "preact"' },
  // There is always a window, and the developer tools of signals are not asked after: 56 bytes of the budget.
  define: { "typeof window": '"object"', "window.__PREACT_SIGNALS_DEVTOOLS__": "false" },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    // One style sheet: it is small, and a page needs no loader for its own.
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: false,
    // Constants stay const, so that a number that is used once stands where it is used: 550 bytes of the budget.
    rolldownOptions: { output: { topLevelVar: false } },
  },
  server: { host: "127.0.0.1", port: 5173, proxy },
  preview: { host: "127.0.0.1", port: 4173, proxy, headers },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
