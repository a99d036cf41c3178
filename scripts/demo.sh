#!/usr/bin/env bash
# demo.sh [option...]  - from a bare Debian 12 with a Rust toolchain to live changes on this terminal.
# Installs what is missing (as root; else says what to install), builds the release and runs `rowfeed demo`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/needs.sh"
need_build
need npm npm
install_missing
scripts/build_console.sh
cargo build --release --locked
exec target/release/rowfeed demo "$@"
