#!/usr/bin/env bash
# get_debezium.sh  - the real Debezium (scripts/golden/pom.xml says which) from Maven Central into .cache/golden/libs, and the
# program that runs it. ROWFEED_GOLDEN_CLASSES=FOLDER compiles that program to a folder of one's own.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/needs.sh"
need openjdk-17-jdk-headless java javac
need maven mvn
install_missing
cache=$PWD/.cache/golden
classes=${ROWFEED_GOLDEN_CLASSES:-$cache/classes}
mkdir -p "$cache" "$classes"
# The jars are those of the list that lies beside them.
if ! cmp -s scripts/golden/pom.xml "$cache/libs/pom.xml"; then
  new=$(mktemp -d "$cache/libs-XXXXXX")
  mvn -q -B -f scripts/golden/pom.xml dependency:copy-dependencies -DoutputDirectory="$new" -DincludeScope=runtime
  cp scripts/golden/pom.xml "$new/pom.xml"
  chmod a+rx "$new"
  rm -rf "$cache/libs"
  mv "$new" "$cache/libs"
fi
# Filter and ContentBasedRouter, with their languages. Of the connector's own version there is no such jar.
if [ ! -d "$cache/scripting" ]; then
  new=$(mktemp -d "$cache/scripting-XXXXXX")
  for jar in io.debezium:debezium-scripting:3.5.0.Final org.apache.groovy:groovy:4.0.24 org.apache.groovy:groovy-jsr223:4.0.24 \
    org.graalvm.js:js:22.3.5 org.graalvm.js:js-scriptengine:22.3.5 org.graalvm.truffle:truffle-api:22.3.5 org.graalvm.sdk:graal-sdk:22.3.5 \
    org.graalvm.regex:regex:22.3.5 com.ibm.icu:icu4j:72.1; do
    mvn -q -B dependency:copy -Dartifact="$jar:jar" -Dmdep.useBaseVersion=true -DoutputDirectory="$new"
  done
  chmod a+rx "$new"
  mv "$new" "$cache/scripting"
fi
if [ ! "$classes/Capture.class" -nt scripts/golden/Capture.java ] || [ "$cache/libs/pom.xml" -nt "$classes/Capture.class" ]; then
  javac -nowarn -cp "$cache/libs/*" -d "$classes" scripts/golden/Capture.java
fi
