// Tries other orders of what src/main.tsx imports, and keeps one that compresses better: like beside like, within gzip's 32 KB. Worth a
// hundredth of the budget after larger changes.
//
//   node scripts/order.mjs [SECONDS]        60 unless said; a try takes half a second
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const root = new URL("..", import.meta.url).pathname;
const main = `${root}src/main.tsx`;
const lines = readFileSync(main, "utf8").split("\n");
const places = lines.flatMap((line, i) => (/^import .* from "\.\/(pages|app|api)\//.test(line) ? [i] : []));

const textOf = (order) => lines.map((line, i) => (places.includes(i) ? order[places.indexOf(i)] : line)).join("\n");

/** Bytes of the scripts, gzip -9, with the imports in this order. */
async function bytes(order) {
  const text = textOf(order);
  const plugin = { name: "order", enforce: "pre", load: (id) => (id === main ? text : null) };
  const { output } = await build({ root, logLevel: "silent", plugins: [plugin], build: { write: false } });
  return output.filter((file) => file.fileName.endsWith(".js")).reduce((sum, file) => sum + gzipSync(file.code, { level: 9 }).length, 0);
}

/** The same with one line elsewhere. */
function moved(order) {
  const other = [...order];
  const [line] = other.splice(Math.floor(Math.random() * other.length), 1);
  other.splice(Math.floor(Math.random() * (other.length + 1)), 0, line);
  return other;
}

let best = places.map((i) => lines[i]);
let least = await bytes(best);
console.log(`${least} bytes as it is`);
const end = Date.now() + Number(process.argv[2] ?? 60) * 1000;
while (Date.now() < end) {
  const other = moved(best);
  const size = await bytes(other);
  if (size >= least) continue;
  [best, least] = [other, size];
  writeFileSync(main, textOf(best));
  console.log(`${least} bytes`);
}
