#!/usr/bin/env bash
# get_apicurio.sh [VERSION]  - Apicurio's registry from Maven Central into .cache/apicurio, for the tests with a foreign registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:-2.6.13.Final}
mkdir -p .cache
new=$(mktemp -d .cache/apicurio-XXXXXX)
trap 'rm -rf "$new"' EXIT
mvn -q -B dependency:copy -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" -DoutputDirectory="$PWD/$new"
tar -xzf "$new"/*.tar.gz -C "$new"
rm "$new"/*.tar.gz
chmod a+rx "$new"
rm -rf .cache/apicurio
mv "$new" .cache/apicurio
trap - EXIT
