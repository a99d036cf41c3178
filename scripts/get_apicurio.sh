#!/usr/bin/env bash
# get_apicurio.sh [VERSION]  - Apicurio's registry and its converters from Maven Central into .cache/apicurio, for the tests with a
# foreign registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:-2.6.13.Final}
mkdir -p .cache
new=$(mktemp -d .cache/apicurio-XXXXXX)
trap 'rm -rf "$new"' EXIT
mvn -q -B dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" -DoutputDirectory="$PWD/$new"
tar -xzf "$new"/*.tar.gz -C "$new"
rm "$new"/*.tar.gz
cat > "$new/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rowfeed</groupId><artifactId>apicurio-converters-for-tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.apicurio</groupId><artifactId>apicurio-registry-utils-converter</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>connect-json</artifactId><version>3.9.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$new/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/$new/converters" -DincludeScope=runtime
chmod a+rx "$new"
rm -rf .cache/apicurio
mv "$new" .cache/apicurio
trap - EXIT
