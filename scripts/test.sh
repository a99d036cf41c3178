#!/usr/bin/env bash
# test.sh [cargo test arguments]  - gets what the tests need and runs every test, and the checks of the code itself.
# On a bare Debian 12 with a Rust toolchain, as root; else it says what to install. What is not a Debian package goes
# into .cache/. With arguments: only the tests they name (`scripts/test.sh --test e2e kill::`), without the checks.
#   ROWFEED_LONG=1   the long form: 200 kills instead of 25
#   ROWFEED_PG=18    the tests run on that PostgreSQL (13 to 18) instead of the machine's own
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/needs.sh"
need_build
need chromium chromium
need curl curl
need jq jq
need kcat kcat
need openjdk-17-jdk-headless java javac
need openssl openssl
need maven mvn
need nodejs node
need npm npm
need prometheus promtool
need python3 python3
need redis-server redis-server
need postgresql-client psql
# Debian has it in sbin.
need_file pgbouncer '/usr/*bin/pgbouncer'
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
# PostGIS belongs to the server's version: 40 MB to fetch, 170 MB installed.
need_postgis
install_missing
if ! compgen -G ".cache/kafka/libs/kafka-tools-*.jar" >/dev/null; then
  scripts/get_kafka.sh
fi
if [ ! -d .cache/apicurio/converters ]; then
  scripts/get_apicurio.sh
fi
if [ ! -e .cache/opensearch/TestServer.class ] || ! compgen -G '.cache/opensearch/lib/reindex-client-*.jar' >/dev/null; then
  scripts/get_opensearch.sh
fi
scripts/get_debezium.sh
scripts/get_pgvector.sh
scripts/get_examples.sh
if [ -n "${ROWFEED_PG:-}" ]; then
  scripts/get_postgres.sh "$ROWFEED_PG"
fi
# The program that is tested has it inside.
scripts/build_console.sh
# A test that cannot run for want of something fails instead of being skipped.
export ROWFEED_REQUIRE_ALL=1
if [ $# -gt 0 ]; then
  exec cargo test --locked "$@"
fi
scripts/check_deploy.sh
scripts/build_console.sh --test
cargo fmt --all --check
cargo clippy --locked --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --quiet
cargo test --locked --no-fail-fast --lib --bins --tests
cargo test --locked --doc
