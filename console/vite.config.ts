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
    "default-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

/** What is loaded together: many small files compress far worse than a few, and each page would ask for a dozen. */
const CHUNKS = [
  { name: "shared", test: /src\/(ui\/(?!chart|spark)|api\/|app\/|text\/|live\/)|node_modules\/(?!uplot)/, priority: 3 },
  { name: "chart", test: /uplot|src\/ui\/chart/, priority: 2 },
  { name: "operating", test: /src\/pages\/(groups?|subscriptions?|slots|settings|api|login)\//, priority: 1 },
];

export default defineConfig({
  base: "/ui/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { output: { codeSplitting: { groups: CHUNKS } } },
  },
  server: { host: "127.0.0.1", port: 5173, proxy },
  preview: { host: "127.0.0.1", port: 4173, proxy, headers },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
