// Puts a .br and a .gz beside each file of dist that gains by it: the program serves them as they are and compresses nothing itself.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;

for (const name of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!name.isFile() || /\.(br|gz)$/.test(name.name)) continue;
  const path = join(name.parentPath, name.name);
  const bytes = readFileSync(path);
  writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
}
