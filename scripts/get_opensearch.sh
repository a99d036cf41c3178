#!/usr/bin/env bash
# get_opensearch.sh [VERSION]  - the real OpenSearch as Maven Central has it, as a library, into .cache/opensearch, with a program that
# starts a node of it (scripts/opensearch/TestServer.java):
#   java -cp '.cache/opensearch/lib/*:.cache/opensearch' TestServer FOLDER PORT [REQUEST_BYTES_MAX]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:-2.19.3}
mkdir -p .cache
new=$(mktemp -d .cache/opensearch-XXXXXX)
trap 'rm -rf "$new"' EXIT
cat > "$new/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rowfeed</groupId><artifactId>opensearch-for-tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.opensearch</groupId><artifactId>opensearch</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.opensearch.plugin</groupId><artifactId>transport-netty4-client</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.opensearch.plugin</groupId><artifactId>reindex-client</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.21.0</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$new/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/$new/lib" -DincludeScope=runtime
javac -cp "$new/lib/*" -d "$new" scripts/opensearch/TestServer.java
chmod -R a+rX "$new"
rm -rf .cache/opensearch
mv "$new" .cache/opensearch
trap - EXIT
