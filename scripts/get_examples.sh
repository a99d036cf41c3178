#!/usr/bin/env bash
# get_examples.sh  - what the programs of examples/ import, in the versions of its package-lock.json and requirements.txt: from npm and from
# PyPI into .cache/examples, with links to it beside the programs. Nothing when it is there already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .cache/examples
# Several examples may be started at once.
exec 9>.cache/examples/lock
flock 9
# Named by what is in it: another version of the examples may use the same .cache.
version() { cksum "$1" | cut -d ' ' -f 1; }
node=.cache/examples/node-$(version examples/package-lock.json)
if [ ! -e "$node/installed" ]; then
  rm -rf "$node"
  mkdir -p "$node"
  cp examples/package.json examples/package-lock.json examples/.npmrc "$node/"
  (cd "$node" && npm ci --silent) >&2
  touch "$node/installed"
fi
ln -sfn "../$node/node_modules" examples/node_modules
python=.cache/examples/python-$(version examples/requirements.txt)
# Made anew where the folder was moved: its programs know where they were.
if ! { [ -e "$python/installed" ] && "$python/bin/pip" --version >/dev/null 2>&1; }; then
  rm -rf "$python"
  python3 -m venv "$python"
  "$python/bin/pip" install -q -r examples/requirements.txt >&2
  touch "$python/installed"
fi
ln -sfn "../$python" examples/python
