#!/usr/bin/env bash
# golden_refresh.sh  - captures the events of the real Debezium again, into tests/golden/*.jsonl.
# Runs Debezium 3.6.3 (fetched by Maven into .cache/golden) and rowfeed on the same temporary PostgreSQL at the same time,
# and fails when they differ in anything that tests/golden/differences.rs does not list. Needs a JDK, Maven, PostgreSQL 15+.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/needs.sh
need_build
need openjdk-17-jdk-headless java javac
need maven mvn
install_missing
cache=$PWD/.cache/golden
if [ ! -d "$cache/libs" ]; then
  mvn -q -B -f scripts/golden/pom.xml dependency:copy-dependencies -DoutputDirectory="$cache/libs.part" -DincludeScope=runtime
  mv "$cache/libs.part" "$cache/libs"
fi
mkdir -p "$cache/classes"
javac -nowarn -cp "$cache/libs/*" -d "$cache/classes" scripts/golden/Capture.java
# One after the other: a captured transaction's neighbours are its own then.
ROWFEED_REQUIRE_ALL=1 ROWFEED_GOLDEN_REFRESH=1 cargo test --locked --test golden -- --test-threads=1
git --no-pager diff --stat -- tests/golden
