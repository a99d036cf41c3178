#!/usr/bin/env bash
# connect_fixtures.sh [FILE...]  - sends the requests of tests/connect_fixtures/*.json to a real Kafka Connect with Debezium's
# PostgreSQL connector, on a real broker and a real PostgreSQL, and writes its answers beside them. Needs a JDK, Maven,
# PostgreSQL, python3. tests/e2e/connect_fixtures.rs replays them against rowfeed, without Java.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/needs.sh"
need python3 python3
install_missing
[ -d .cache/kafka/libs ] || scripts/get_kafka.sh
[ -d .cache/golden/libs ] || scripts/get_debezium.sh
home=$(mktemp -d)
chmod a+rx "$home"
pids=()
end() {
  for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  [ "${KEEP:-}" ] || rm -rf "$home"
}
trap end EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_for() { # WHAT SECONDS COMMAND...
  local what=$1 left=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "waited for $what; see $home" >&2; KEEP=1; exit 1; }
    sleep 1
  done
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

# PostgreSQL refuses to run as root.
as_user() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME="$home" "$@"; else "$@"; fi; }
bin=$({ ls -d /usr/lib/postgresql/*/bin 2>/dev/null || pg_config --bindir; } | sort -V | tail -n 1)
pg=$(free_port)
mkdir "$home/pg" && { [ "$(id -u)" != 0 ] || chown nobody:nogroup "$home/pg"; }
as_user "$bin/initdb" -D "$home/pg/data" -U postgres -A trust >"$home/initdb.log"
as_user "$bin/postgres" -D "$home/pg/data" -p "$pg" -k "$home/pg" -c listen_addresses=127.0.0.1 -c wal_level=logical >"$home/postgres.log" 2>&1 &
pids+=($!)
wait_for PostgreSQL 30 "$bin/psql" -h 127.0.0.1 -p "$pg" -U postgres -c 'select 1'
"$bin/psql" -q -h 127.0.0.1 -p "$pg" -U postgres -c 'create database fixture_db' >/dev/null
"$bin/psql" -q -h 127.0.0.1 -p "$pg" -U postgres -d fixture_db -c "create table orders(id int primary key, note text); insert into orders values (1, 'first')" >/dev/null

broker=$(free_port) controller=$(free_port) rest=$(free_port)
cat >"$home/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$broker
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$home/kafka
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
java -Xmx128m -cp '.cache/kafka/libs/*' kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$home/server.properties" >"$home/format.log" 2>&1
java -Xmx512m -cp '.cache/kafka/libs/*' kafka.Kafka "$home/server.properties" >"$home/kafka.log" 2>&1 &
pids+=($!)
wait_for 'Apache Kafka' 90 listens "$broker"
cat >"$home/worker.properties" <<PROPERTIES
bootstrap.servers=127.0.0.1:$broker
group.id=fixtures
listeners=http://127.0.0.1:$rest
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter.schemas.enable=false
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
config.storage.topic=connect-configs
config.storage.replication.factor=1
status.storage.topic=connect-status
status.storage.replication.factor=1
status.storage.partitions=1
offset.flush.interval.ms=1000
PROPERTIES
cat >"$home/log4j2.yaml" <<YAML
Configuration:
  Appenders:
    Console: {name: console, target: SYSTEM_OUT}
  Loggers:
    Root: {level: INFO, AppenderRef: {ref: console}}
    Logger:
      - {name: org.example.one, level: WARN}
      - {name: org.example.one.two, level: ERROR}
YAML
# The levels of /admin/loggers are log4j's.
logging=$(ls .cache/kafka/libs/{log4j-*,jackson-dataformat-yaml-*,snakeyaml-*}.jar | tr '\n' ':')
java -Xmx512m -Dlog4j2.configurationFile="$home/log4j2.yaml" -cp ".cache/golden/libs/*:$logging" \
  org.apache.kafka.connect.cli.ConnectDistributed "$home/worker.properties" >"$home/connect.log" 2>&1 &
pids+=($!)
wait_for 'Kafka Connect' 120 sh -c "python3 -c 'import urllib.request; urllib.request.urlopen(\"http://127.0.0.1:$rest/health\")'"
python3 scripts/connect_fixtures.py "127.0.0.1:$rest" "$pg" "$@"
[ -z "${KEEP:-}" ] || { echo "http://127.0.0.1:$rest, PostgreSQL on $pg, files in $home; ENTER ends it"; read -r _; }
