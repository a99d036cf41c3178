# What the scripts need on Debian 12, and getting it. Sourced, not run.
#   need PACKAGE COMMAND...   installs PACKAGE (as root) unless every COMMAND is there
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
missing=()
# Server programs need not be on PATH: Debian keeps them in a folder per version.
has_postgres() { command -v initdb >/dev/null || { command -v pg_config >/dev/null && [ -x "$(pg_config --bindir)/initdb" ]; } || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
need() {
  local package=$1 command
  shift
  for command in "$@"; do
    command -v "$command" >/dev/null || { missing+=("$package"); return 0; }
  done
}
need_file() { compgen -G "$2" >/dev/null || missing+=("$1"); }
need_postgis() { # for Debian's own server: the newest version that is there, or 15
  local newest
  newest=$({ ls /usr/lib/postgresql 2>/dev/null || true; } | sort -n | tail -n 1)
  need_file "postgresql-${newest:-15}-postgis-3" "/usr/share/postgresql/${newest:-15}/extension/postgis.control"
}
install_missing() {
  has_postgres || missing+=(postgresql)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "missing: ${missing[*]}" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 2
  fi
  echo "installing: ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  # A server that starts on its own is of no use here, and would take port 5432.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
  fi
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  missing=()
}
need_build() { # what compiling takes: librdkafka is built from its C sources
  command -v cargo >/dev/null || { echo "missing: a Rust toolchain (https://rustup.rs), 1.90 or newer" >&2; exit 2; }
  need gcc gcc
  need g++ g++
  need make make
  need pkg-config pkg-config
  need_file libssl-dev '/usr/include/openssl/ssl.h'
  need_file zlib1g-dev '/usr/include/zlib.h'
}
