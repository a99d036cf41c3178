// Fails the build when the console outgrows its budget, or when the page holds what the content security policy forbids.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const dist = new URL("../dist/", import.meta.url).pathname;
/** Bytes, gzip -9, of all files of a kind together: 90 KB and 12 KB, a KB being 1,000 bytes. */
const BUDGETS = { ".js": 90_000, ".css": 12_000 };

const files = readdirSync(dist, { recursive: true }).map(String);
let failed = false;
for (const [kind, most] of Object.entries(BUDGETS)) {
  const bytes = files.filter((file) => file.endsWith(`${kind}.gz`)).reduce((sum, file) => sum + statSync(join(dist, file)).size, 0);
  const says = `${kind} ${bytes} bytes gz of ${most}`;
  if (bytes > most) {
    failed = true;
    console.error(`budget: ${says}: too much; load it later, or take something away`);
  } else {
    console.log(`budget: ${says}`);
  }
}

const page = readFileSync(join(dist, "index.html"), "utf8");
const forbidden = [
  [/<script(?![^>]*\ssrc=)/i, "an inline script"],
  [/<style/i, "an inline style sheet"],
  [/\sstyle=/i, "a style attribute"],
  [/\son[a-z]+=/i, "an event handler in an attribute"],
  [/(src|href)="(https?:)?\/\//i, "an address of another origin"],
];
for (const [pattern, what] of forbidden) {
  if (pattern.test(page)) {
    failed = true;
    console.error(`budget: index.html holds ${what}, which the content security policy forbids`);
  }
}
process.exit(failed ? 1 : 0);
