#!/usr/bin/env bash
# get_examples.sh  - what the programs of examples/ import, in the versions of its package-lock.json and requirements.txt: from npm
# into .cache/examples/node, from PyPI into .cache/examples/python. Nothing when it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=.cache/examples
mkdir -p "$folder/node"
# Several examples may be started at once.
exec 9>"$folder/lock"
flock 9
if ! cmp -s examples/package-lock.json "$folder/node/installed"; then
  cp examples/package.json examples/package-lock.json examples/.npmrc "$folder/node/"
  (cd "$folder/node" && npm ci --silent) >&2
  cp examples/package-lock.json "$folder/node/installed"
fi
# Where the programs look for it.
ln -sfn "../$folder/node/node_modules" examples/node_modules
if ! { cmp -s examples/requirements.txt "$folder/python/installed" && "$folder/python/bin/python3" -c ''; }; then
  rm -rf "$folder/python"
  python3 -m venv "$folder/python"
  "$folder/python/bin/pip" install -q -r examples/requirements.txt >&2
  cp examples/requirements.txt "$folder/python/installed"
fi
