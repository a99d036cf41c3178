#!/usr/bin/env python3
"""many.py [option=value ...]  - the measuring half of ../bench_many.sh; settings come from the environment.

Owns a rowfeed with many connectors, a psql for each database that commits one row a second, and one that reads all of
them from /v1/records. A latency is the time between the row's own clock (clock_timestamp() in its insert) and its arrival here.
With PEER=1 a pg_recvlogical for each database takes the place of rowfeed: what PostgreSQL itself needs for so many slots.
"""
import concurrent.futures
import http.client
import json
import os
import re
import selectors
import shutil
import subprocess
import sys
import threading
import time

ENV = os.environ
CONNECTORS, FLOODED = int(ENV.get("CONNECTORS", 50)), int(ENV.get("FLOODED", 1))
FLOOD_ROWS, SECONDS, ROUNDS = int(ENV.get("FLOOD_ROWS", 200_000)), float(ENV.get("SECONDS_EACH", 20)), int(ENV.get("ROUNDS", 3))
WORK, PORT = ENV["BENCH_WORK"], int(ENV["PGPORT"])
FLOOD_PORT = PORT + 1 if ENV.get("APART") else PORT
PSQL = ENV["PGBIN"] + "/psql"
KAFKA, HTTP = 19_192, 18_183
OPTIONS = dict(text.split("=", 1) for text in sys.argv[1:])


def port_of(number):
    """The first ones are flooded."""
    return FLOOD_PORT if number < FLOODED else PORT


def psql(port, database, sql):
    done = subprocess.run([PSQL, "-XAtq", "-p", str(port), "-d", database, "-c", sql], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def ask(method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", HTTP, timeout=60)
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {text}")
    return text


def prepare(number):
    psql(port_of(number), "postgres", f"create database many_{number}")
    psql(port_of(number), f"many_{number}", "create table tick(id bigserial primary key, at float8); "
         "create table flood(id bigserial primary key, text text)")


def connect(number):
    config = {"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "database.hostname": "127.0.0.1",
              "database.port": str(port_of(number)), "database.user": ENV["PGUSER"], "database.password": "none",
              "database.dbname": f"many_{number}", "topic.prefix": f"many{number}", "slot.name": f"many_{number}",
              "publication.name": "many", "publication.autocreate.mode": "filtered", "table.include.list": "public.*",
              "snapshot.mode": "no_data", **OPTIONS}
    ask("PUT", f"/connectors/many{number}/config", config)


def streaming():
    active = "select count(*) from pg_replication_slots where active and confirmed_flush_lsn is not null"
    return sum(int(psql(port, "postgres", active)) for port in {PORT, FLOOD_PORT})


def usage(pid):
    """Resident and peak MiB, threads, descriptors, CPU seconds."""
    lines = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status") if ":" in line)
    mib = [int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]
    ticks = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    cpu = (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")
    return mib[0], mib[1], int(lines["Threads"]), len(os.listdir(f"/proc/{pid}/fd")), cpu


class Seen:
    """Every tick that became visible: when, and how late."""

    def __init__(self, peers=()):
        self.late = []
        self.peers = peers
        threading.Thread(target=self.receive if peers else self.follow, daemon=True).start()

    def receive(self):
        """The ticks among what the peers write: the only numbers of such a form."""
        ready, tails = selectors.DefaultSelector(), {}
        for peer in self.peers:
            ready.register(peer.stdout, selectors.EVENT_READ)
        while ready.get_map():
            for key, _ in ready.select():
                bytes_ = os.read(key.fd, 1 << 20)
                now = time.time()
                if not bytes_:
                    ready.unregister(key.fileobj)
                    continue
                bytes_ = tails.get(key.fd, b"") + bytes_
                end = bytes_.rfind(b"\n") + 1
                tails[key.fd] = bytes_[end:]
                self.late += [now - float(at) for at in re.findall(rb"\d{10}\.\d{1,7}", bytes_[:end])]

    def follow(self):
        connection = http.client.HTTPConnection("127.0.0.1", HTTP, timeout=600)
        connection.request("GET", "/v1/records?topic=*.public.tick&follow=true")
        for line in connection.getresponse():
            now = time.time()
            if line.strip():
                value = json.loads(line)["value"]
                value = json.loads(value) if isinstance(value, str) else value
                self.late.append(now - value.get("payload", value)["after"]["at"])

    def take(self, count, limit):
        """The latencies of what was committed since the last call."""
        until = time.time() + limit
        while len(self.late) < count and time.time() < until:
            time.sleep(0.01)
        late, self.late = self.late, []
        return late


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1000


def trickle(writers, seconds):
    """One commit a second in each database, evenly spread; how many."""
    count, began = 0, time.time()
    while time.time() - began < seconds:
        for writer in writers:
            writer.stdin.write("insert into tick(at) values (extract(epoch from clock_timestamp()));\n")
            writer.stdin.flush()
            count += 1
            due = began + count / len(writers)
            time.sleep(max(0, due - time.time()))
    return count


def flood(stop, counts):
    def one(number):
        while not stop.is_set():
            psql(port_of(number), f"many_{number}", f"insert into flood(text) select repeat('x', 100) from generate_series(1, {FLOOD_ROWS})")
            counts.append(FLOOD_ROWS)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(FLOODED)]
    for thread in threads:
        thread.start()
    return threads


def main():
    shutil.rmtree(f"{WORK}/rowfeed", ignore_errors=True)
    os.makedirs(f"{WORK}/rowfeed")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, range(CONNECTORS)))
    if ENV.get("PEER"):
        peers = [receiver(number) for number in range(CONNECTORS)]
        try:
            latencies(Seen(peers))
        finally:
            for peer in peers:
                peer.terminate()
                peer.wait()
        return
    environment = {name: value for name, value in ENV.items() if not name.startswith("ROWFEED_")}
    service = subprocess.Popen([ENV["ROWFEED_BIN"], "run", "--data", f"{WORK}/rowfeed/data", "--kafka", f"127.0.0.1:{KAFKA}", "--http",
                                f"127.0.0.1:{HTTP}", "--set", "logging.level=warn"], env=environment, cwd=f"{WORK}/rowfeed")
    try:
        measure(service)
    finally:
        service.terminate()
        service.wait()


def receiver(number):
    """A pg_recvlogical that reads what a connector would."""
    target = ["-p", str(port_of(number)), "-d", f"many_{number}", "-S", f"many_{number}"]
    psql(port_of(number), f"many_{number}", "create publication many for all tables")
    tool = ENV["PGBIN"] + "/pg_recvlogical"
    subprocess.run([tool, *target, "--create-slot", "-P", "pgoutput"], check=True)
    return subprocess.Popen([tool, *target, "--start", "-f", "-", "-s", "1", "-F", "0", "-o", "proto_version=1", "-o", "publication_names=many"],
                            stdout=subprocess.PIPE)


def measure(service):
    for _ in range(200):
        try:
            ask("GET", "/livez")
            break
        except OSError:
            time.sleep(0.1)
    alone = usage(service.pid)
    began = time.time()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(connect, range(CONNECTORS)))
    while streaming() < CONNECTORS:
        time.sleep(0.1)
    print(f"{CONNECTORS} connectors made and streaming after {time.time() - began:.1f} s")
    time.sleep(5)
    before = usage(service.pid)
    time.sleep(SECONDS)
    idle = usage(service.pid)
    sessions = sum(int(psql(port, "postgres", "select count(*) from pg_stat_activity where application_name like 'rowfeed%'"))
                   for port in {PORT, FLOOD_PORT})
    print(f"idle: {idle[0]:.0f} MiB ({alone[0]:.0f} without a connector: {(idle[0] - alone[0]) * 1024 / CONNECTORS:.0f} KiB each), "
          f"{idle[2]} threads, {idle[3]} descriptors, {sessions} sessions, {100 * (idle[4] - before[4]) / SECONDS:.2f} % of a core")

    latencies(Seen())
    used = usage(service.pid)
    print(f"after it: {used[0]:.0f} MiB, at the peak {used[1]:.0f} MiB")


def latencies(seen):
    writers = [subprocess.Popen([PSQL, "-Xq", "-p", str(PORT), "-d", f"many_{number}"], stdin=subprocess.PIPE, text=True)
               for number in range(FLOODED, CONNECTORS)]
    time.sleep(1)
    seen.take(trickle(writers, 2), 60)
    all_late = {"quiet": [], "flooded": []}
    for _ in range(ROUNDS):
        for kind, late in all_late.items():
            stop, counts = threading.Event(), []
            threads = flood(stop, counts) if kind == "flooded" else []
            if threads:
                time.sleep(2)
            began = time.time()
            count = trickle(writers, SECONDS)
            stop.set()
            got = seen.take(count, 120)
            for thread in threads:
                thread.join()
            if len(got) != count:
                print(f"LOST: {count} commits, {len(got)} events", file=sys.stderr)
            late += got
            rate = f", flood {sum(counts) / (time.time() - began):,.0f} rows/s committed" if threads else ""
            print(f"{kind}: {count} commits, p50 {percentile(got, .5):.1f} ms, p99 {percentile(got, .99):.1f} ms, "
                  f"max {max(got) * 1000:.0f} ms{rate}")
            drain()
    for kind, late in all_late.items():
        print(f"all {kind}: p50 {percentile(late, .5):.1f} ms, p99 {percentile(late, .99):.1f} ms, max {max(late) * 1000:.0f} ms ({len(late)} commits)")
    for writer in writers:
        writer.stdin.close()
        writer.wait()


def drain():
    """Waits until the floods are durable in the log."""
    behind = "select count(*) from pg_replication_slots where confirmed_flush_lsn < '{}'"
    for port in {PORT, FLOOD_PORT}:
        now = psql(port, "postgres", "select pg_current_wal_lsn()")
        for _ in range(1200):
            if psql(port, "postgres", behind.format(now)) == "0":
                break
            time.sleep(0.1)


main()
