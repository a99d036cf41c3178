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
# Filter and ContentBasedRouter, with their languages. Of the connector's own version there is no such jar.
if [ ! -d "$cache/scripting" ]; then
  for jar in io.debezium:debezium-scripting:3.5.0.Final org.apache.groovy:groovy:4.0.24 org.apache.groovy:groovy-jsr223:4.0.24 \
    org.graalvm.js:js:22.3.5 org.graalvm.js:js-scriptengine:22.3.5 org.graalvm.truffle:truffle-api:22.3.5 org.graalvm.sdk:graal-sdk:22.3.5 \
    org.graalvm.regex:regex:22.3.5 com.ibm.icu:icu4j:72.1; do
    mvn -q -B dependency:copy -Dartifact="$jar:jar" -Dmdep.useBaseVersion=true -DoutputDirectory="$cache/scripting.part"
  done
  mv "$cache/scripting.part" "$cache/scripting"
fi
mkdir -p "$cache/classes"
javac -nowarn -cp "$cache/libs/*" -d "$cache/classes" scripts/golden/Capture.java
# One after the other: a captured transaction's neighbours are its own then.
ROWFEED_REQUIRE_ALL=1 ROWFEED_GOLDEN_REFRESH=1 cargo test --locked --test golden -- --test-threads=1
git --no-pager diff --stat -- tests/golden
