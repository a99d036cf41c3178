#!/usr/bin/env bash
# build_console.sh [--test]  - builds the console into console/dist, where npm is; the next cargo build puts it into the program.
# Nothing when it is built from these sources already. With --test its own tests run as well, and npm must be there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! command -v npm >/dev/null; then
  echo "npm is not here: the program is built without its console (Debian: apt-get install npm)" >&2
  if [ "${1:-}" = --test ]; then exit 2; else exit 0; fi
fi
cd console
lock=$(cksum package-lock.json | cut -d ' ' -f 1)
if [ ! -e "node_modules/.installed-$lock" ]; then
  npm ci --silent --no-audit --no-fund >&2
  touch "node_modules/.installed-$lock"
fi
# All that goes into it, by name and content.
sources=$(find src scripts index.html package.json package-lock.json tsconfig.json vite.config.ts ../docs/openapi.json -type f ! -name '*.gen.ts' -exec cksum {} + | sort | cksum | cut -d ' ' -f 1)
if [ ! -e dist/index.html ] || [ ! -e "node_modules/.built-$sources" ]; then
  rm -f node_modules/.built-*
  npm run --silent build >&2
  touch "node_modules/.built-$sources"
fi
if [ "${1:-}" = --test ]; then
  npm test --silent
fi
