#!/usr/bin/env python3
"""Runs a system under test against a prepared workload and measures it from outside.

  bench.py stream   w1|w2|w3 --name NAME --cmd CMD [--runs 3] [--done exit|line|flush]
  bench.py snapshot w4       --name NAME --cmd CMD [--runs 3] [--done exit|line|stream]
  bench.py latency  w5       --name NAME --cmd CMD [--runs 3] [--rate 1000] [--seconds 60] [--warm 10]
  bench.py idle     w5       --name NAME --cmd CMD [--seconds 30]
  bench.py streambytes w1    (size of the backlog as a pgoutput stream, for MB/s)

CMD runs under bash with PGHOST PGPORT PGUSER PGDATABASE and BENCH_MODE BENCH_TABLE BENCH_PUBLICATION BENCH_SLOT
BENCH_EXPECT BENCH_END_LSN BENCH_LAT_FILE set; the contract is in README.md. Each run appends one JSON line to
results/raw/<workload>.jsonl; report.py makes the tables.
"""
import argparse, json, os, pathlib, shlex, signal, subprocess, sys, threading, time

HOME = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")


def load_env():
    """env.sh is the one place for settings."""
    out = subprocess.run(["bash", "-c", f". {shlex.quote(str(HOME / 'env.sh'))}; env -0"], check=True, capture_output=True).stdout
    for item in out.split(b"\0"):
        k, _, v = item.decode(errors="replace").partition("=")
        if k.startswith(("PG", "BENCH_")):
            os.environ[k] = v


class Sql:
    """One psql kept open: no driver needed and no connection storm while measuring."""

    def __init__(self):
        self.p = subprocess.Popen([os.environ["PGBIN"] + "/psql", "-XAtq", "-F", "\t"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, bufsize=1, env={**os.environ, "PGAPPNAME": "bench-control"})
        self.lock = threading.Lock()

    def rows(self, q):
        with self.lock:
            self.p.stdin.write(q.rstrip(";") + ";\n\\echo __end__\n")
            self.p.stdin.flush()
            out = []
            while True:
                line = self.p.stdout.readline()
                if not line:
                    raise RuntimeError("psql ended")
                line = line.rstrip("\n")
                if line == "__end__":
                    return [r.split("\t") for r in out]
                out.append(line)

    def one(self, q):
        r = self.rows(q)
        return r[0][0] if r else ""


def stat(pid):
    try:
        s = open(f"/proc/{pid}/stat").read()
    except OSError:
        return None
    f = s[s.rindex(")") + 2:].split()
    return {"ppid": int(f[1]), "pgrp": int(f[2]), "cpu": (int(f[11]) + int(f[12])) / TICK,
            "ccpu": (int(f[13]) + int(f[14])) / TICK, "comm": s[s.index("(") + 1:s.rindex(")")]}


def mem(pid):
    d = {}
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith(("VmHWM:", "VmRSS:")):
                d[line[:5]] = int(line.split()[1]) / 1024
    except OSError:
        pass
    return d.get("VmHWM", 0.0), d.get("VmRSS", 0.0)


def pids():
    return [int(d) for d in os.listdir("/proc") if d.isdigit()]


def machine_busy():
    f = [int(x) for x in open("/proc/stat").readline().split()[1:9]]
    return (sum(f) - f[3] - f[4]) / TICK, f[7] / TICK  # busy (steal included), steal


def wait_quiet(limit, busy=0.15):
    """Waits until the others use less than `busy` of the machine for a second, `limit` seconds at most."""
    until = time.time() + limit
    while time.time() < until:
        b0 = machine_busy()[0]
        time.sleep(1)
        if machine_busy()[0] - b0 < busy * os.cpu_count():
            return


def server_cpu(postmaster):
    """CPU of the postmaster, of its living children and of those it has reaped."""
    s = stat(postmaster)
    if not s:
        return 0.0
    return s["cpu"] + s["ccpu"] + sum(c["cpu"] + c["ccpu"] for c in map(stat, pids()) if c and c["ppid"] == postmaster)


def is_helper(pid):
    try:
        cmdline = open(f"/proc/{pid}/cmdline", "rb").read()
        return b"latscan.py" in cmdline or cmdline.startswith(b"kcat\0")  # the consumer is not the system under test
    except OSError:
        return False


class Run:
    """One start of the system under test, sampled until it is done."""

    def __init__(self, sql, cmd, env, log):
        self.sql, self.cmd, self.env, self.log = sql, cmd, env, log
        backend = int(sql.one("select pg_backend_pid()"))
        self.postmaster = stat(backend)["ppid"] if stat(backend) else None
        self.hwm, self.rss, self.cpu, self.helpers, self.ws_cpu = {}, {}, {}, set(), {}
        self.done_line = self.done_seen = None
        self.boosted = set()

    def start(self):
        wait_quiet(float(os.environ.get("BENCH_QUIET_WAIT", "15")))
        self.load = os.getloadavg()[0]
        self.server0 = server_cpu(self.postmaster) if self.postmaster else None
        self.busy0, self.steal0 = machine_busy()
        self.t0 = time.time()
        self.p = subprocess.Popen(["bash", "-c", self.cmd], env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, cwd=HOME)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with open(self.log, "w") as f:
            for raw in self.p.stdout:
                line = raw.decode(errors="replace")
                f.write(line)
                if line.startswith("BENCH_DONE"):
                    self.done_seen = time.time()
                    rest = line[len("BENCH_DONE"):].strip()
                    self.done_line = json.loads(rest) if rest else {}

    def rescan(self):
        boost = os.environ.get("BENCH_AUTOGROUP_NICE")
        for pid in pids():
            s = stat(pid)
            if not s:
                continue
            if s["pgrp"] == self.p.pid and pid not in self.cpu:
                self.cpu[pid] = 0.0
            if boost and pid not in self.boosted and (s["pgrp"] == self.p.pid or s["ppid"] == self.postmaster):
                self.boosted.add(pid)
                try:
                    with open(f"/proc/{pid}/autogroup", "w") as f:
                        f.write(boost)
                except OSError:
                    pass

    def sample(self, ws_pid=None):
        for pid in list(self.cpu):
            s = stat(pid)
            if s:
                self.cpu[pid] = s["cpu"]
                h, r = mem(pid)
                self.hwm[pid] = max(h, self.hwm.get(pid, 0))
                self.rss[pid] = r
                if is_helper(pid):
                    self.helpers.add(pid)
            else:
                self.rss[pid] = 0.0
        if ws_pid:
            s = stat(ws_pid)
            if s:
                self.ws_cpu[ws_pid] = s["cpu"]

    def slot_pid(self, slot):
        v = self.sql.one(f"select active_pid from pg_replication_slots where slot_name = '{slot}'")
        return int(v) if v else None

    def wait(self, done, slot=None, end_lsn=None, timeout=900, poll=0.05):
        ws, n, ok, t_end = None, 0, False, None
        while True:
            now = time.time()
            if n % 10 == 0 or n < 20:
                self.rescan()
                if slot and (n % 10 == 0 or not ws):
                    ws = self.slot_pid(slot) or ws
            n += 1
            self.sample(ws)
            if self.exited():
                ok, t_end = self.rc == 0, now
                break
            if done == "line" and self.done_seen:
                ok, t_end = True, self.done_seen
                break
            if done == "flush" and end_lsn and self.sql.one(
                    f"select confirmed_flush_lsn >= '{end_lsn}' from pg_replication_slots where slot_name = '{slot}'") == "t":
                ok, t_end = True, time.time()
                break
            if done == "stream" and self.sql.one("select 1 from pg_stat_replication where state in ('catchup', 'streaming') limit 1"):
                ok, t_end = True, time.time()
                break
            if now - self.t0 > timeout:
                t_end = now
                break
            time.sleep(poll)
        self.stop()
        return ok, t_end

    def exited(self):
        if getattr(self, "ru", None):
            return True
        try:
            pid, status, ru = os.wait4(self.p.pid, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid:
            self.rc, self.ru, self.p.returncode = os.waitstatus_to_exitcode(status), ru, os.waitstatus_to_exitcode(status)
            return True
        return False

    def stop(self):
        for sig, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            if self.exited():
                break
            os.killpg(self.p.pid, sig)
            until = time.time() + patience
            while time.time() < until and not self.exited():
                time.sleep(0.02)
        self.busy1, self.steal1 = machine_busy()
        time.sleep(0.3)  # let the server reap its backends
        self.server1 = server_cpu(self.postmaster) if self.postmaster else None

    def own_cpu(self):
        """The operating system's account of the finished tree, less the harness's own helper."""
        helper = sum(self.cpu[p] for p in self.helpers)
        return self.ru.ru_utime + self.ru.ru_stime - helper

    def sampled_cpu(self):
        return sum(v for p, v in self.cpu.items() if p not in self.helpers)

    def peak(self):
        return sum(v for p, v in self.hwm.items() if p not in self.helpers)

    def now_rss(self):
        return sum(v for p, v in self.rss.items() if p not in self.helpers)

    def result(self, ok, t_end, expect):
        wall = t_end - self.t0
        server = self.server1 - self.server0 if self.server0 is not None else None
        sut = self.own_cpu()
        r = {"ok": ok, "wall_s": wall, "sut_cpu_s": sut, "server_cpu_s": server, "walsender_cpu_s": sum(self.ws_cpu.values()) or None,
             "peak_rss_mb": self.peak(), "load_before": self.load, "steal_s": self.steal1 - self.steal0,
             "other_cpu_s": self.busy1 - self.busy0 - sut - (server or 0), "expect": expect}
        r["noise"] = max(0.0, r["other_cpu_s"]) / max(wall, 0.1) / os.cpu_count()
        d = self.done_line or {}
        if d:
            r["sut"] = d
            if d.get("first_us"):
                r["first_s"] = d["first_us"] / 1e6 - self.t0
                r["stream_s"] = (d["last_us"] - d["first_us"]) / 1e6
                r["wall_s"] = d["last_us"] / 1e6 - self.t0
        if expect:
            r["rate"] = expect / r["wall_s"]
            if r.get("stream_s"):
                r["steady_rate"] = expect / r["stream_s"]
        return r


def drop_slot(sql, slot, tries=100):
    for _ in range(tries):
        if sql.one(f"select count(*) from pg_replication_slots where slot_name = '{slot}'") == "0":
            return
        pid = sql.one(f"select active_pid from pg_replication_slots where slot_name = '{slot}'")
        if pid:
            sql.one(f"select pg_terminate_backend({pid})")
            time.sleep(0.1)
        else:
            sql.one(f"select pg_drop_replication_slot('{slot}')")
    raise RuntimeError(f"slot {slot} stays active")


def percentile(v, q):
    return v[min(len(v) - 1, int(q * len(v)))] if v else None


def pgbench(rate, count, script, clients):
    per = count // clients
    out = subprocess.run([os.environ["PGBIN"] + "/pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-R", str(rate),
                          "-t", str(per), "-f", str(HOME / "sql" / script), os.environ["PGDATABASE"]], capture_output=True, text=True)
    if out.returncode:
        raise RuntimeError(out.stderr)
    return {k.strip(): v.strip() for k, _, v in (l.partition("=") for l in out.stdout.splitlines() if " = " in l)}


def main():
    load_env()
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["stream", "snapshot", "latency", "idle", "streambytes"])
    ap.add_argument("workload")
    ap.add_argument("--name")
    ap.add_argument("--cmd")
    ap.add_argument("--runs", type=int, default=3)
    ap.add_argument("--done", choices=["exit", "line", "flush", "stream"], default="exit")
    ap.add_argument("--timeout", type=float, default=900)
    ap.add_argument("--rate", type=int, default=1000)
    ap.add_argument("--seconds", type=int, default=60)
    ap.add_argument("--warm", type=int, default=10)
    ap.add_argument("--clients", type=int, default=4)
    ap.add_argument("--max-noise", type=float, default=0.1, help="share of the machine others may use before a run is repeated")
    ap.add_argument("--extra", type=int, default=2, help="how many noisy runs to repeat")
    ap.add_argument("--results", default=str(HOME / "results" / "raw"))
    a = ap.parse_args()
    sql = Sql()
    w = a.workload
    tbl, expect, end_lsn = sql.rows(f"select tbl, expect, coalesce(end_lsn::text, '') from bench_meta where workload = '{w}'")[0]
    expect = int(expect)
    raw = pathlib.Path(a.results)
    raw.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(os.environ["BENCH_WORK"]) / "logs"
    work.mkdir(parents=True, exist_ok=True)

    if a.what == "streambytes":
        a.name, a.cmd, a.runs = "streambytes", "sut/recvlogical.sh | wc -c", 1
    slot = f"run_{w}"
    quiet = 0
    for i in range(a.runs + a.extra):
        if quiet == a.runs or a.what == "streambytes" and i:
            break
        drop_slot(sql, slot)
        latfile = work / f"{w}-{a.name}.lat"
        env = {"BENCH_MODE": "stream" if a.what == "streambytes" else a.what, "BENCH_TABLE": tbl, "BENCH_PUBLICATION": f"pub_{w}",
               "BENCH_SLOT": slot, "BENCH_EXPECT": str(expect), "BENCH_END_LSN": end_lsn, "BENCH_LAT_FILE": str(latfile)}
        run = Run(sql, a.cmd, env, work / f"{w}-{a.name}-{i}.log")
        if a.what in ("stream", "streambytes"):
            sql.one(f"select pg_copy_logical_replication_slot('base_{w}', '{slot}')")
            if a.what == "streambytes":
                run.env["BENCH_OUT"] = "-"
                run.start()
                ok, t = run.wait("exit", slot, end_lsn, a.timeout)
                n = int((work / f"{w}-{a.name}-{i}.log").read_text().strip())
                sql.one("alter table bench_meta add column if not exists stream_bytes bigint")
                sql.one(f"update bench_meta set stream_bytes = {n} where workload = '{w}'")
                print(w, n)
                drop_slot(sql, slot)
                continue
            run.start()
            ok, t = run.wait(a.done, slot, end_lsn, a.timeout)
            r = run.result(ok, t, expect)
        elif a.what == "snapshot":
            run.start()
            ok, t = run.wait(a.done, None, None, a.timeout)
            r = run.result(ok, t, expect)
        else:
            sql.rows(f"truncate {tbl}")
            sql.one(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')")
            count = a.rate * a.seconds // a.clients * a.clients
            run.env["BENCH_EXPECT"] = str(count if a.what == "latency" else 0)
            latfile.unlink(missing_ok=True)
            run.start()
            until = time.time() + 60
            while not run.slot_pid(slot) and time.time() < until:
                time.sleep(0.1)
            ready = time.time() - run.t0
            if a.what == "idle":
                time.sleep(a.seconds / 2)
                run.rescan(), run.sample(run.slot_pid(slot))
                t1, c1 = time.time(), run.sampled_cpu()
                time.sleep(a.seconds / 2)
                run.sample(run.slot_pid(slot))
                r = {"ok": True, "ready_s": ready, "idle_rss_mb": run.now_rss(), "idle_cpu_pct": 100 * (run.sampled_cpu() - c1) / (time.time() - t1),
                     "peak_rss_mb": run.peak()}
                run.stop()
            else:
                time.sleep(2)
                pgbench(a.rate, a.rate * a.warm, "w5_warm.pgbench", a.clients)
                run.rescan(), run.sample(run.slot_pid(slot))
                t1, c1 = time.time(), run.sampled_cpu()
                box = {}
                th = threading.Thread(target=lambda: box.update(pgbench(a.rate, count, "w5_measure.pgbench", a.clients)))
                th.start()
                rss = []
                while th.is_alive():
                    time.sleep(0.5)
                    run.sample(run.slot_pid(slot))
                    rss.append(run.now_rss())
                t2, c2 = time.time(), run.sampled_cpu()
                ok, _ = run.wait("line", slot, None, a.seconds + 120)
                until = time.time() + 5
                while not latfile.exists() and time.time() < until:
                    time.sleep(0.1)
                v = sorted(int(x) for x in latfile.read_text().split()) if latfile.exists() else []
                r = {"ok": bool(v) and len(v) == count, "events": len(v), "rate": a.rate, "seconds": t2 - t1, "ready_s": ready,
                     "p50_ms": percentile(v, .5) / 1e3, "p99_ms": percentile(v, .99) / 1e3, "p999_ms": percentile(v, .999) / 1e3,
                     "max_ms": v[-1] / 1e3, "cpu_pct": 100 * (c2 - c1) / (t2 - t1), "rss_mb": sorted(rss)[len(rss) // 2],
                     "peak_rss_mb": run.peak(), "commit_ms": float(box.get("latency average", "nan ms").split()[0]),
                     "lag_ms": box.get("rate limit schedule lag: avg"), "load_before": run.load,
                     "walsender_cpu_s": sum(run.ws_cpu.values()),
                     "noise": max(0.0, run.busy1 - run.busy0 - run.own_cpu() - (run.server1 - run.server0)) / (time.time() - run.t0) / os.cpu_count()
                     } if v else {"ok": False}
        quiet += r.get("noise", 0) <= a.max_noise
        r.update(what=a.what, workload=w, name=a.name, cmd=a.cmd, run=i, at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        with open(raw / f"{w}.jsonl", "a") as f:
            f.write(json.dumps(r) + "\n")
        keys = ("ok", "wall_s", "first_s", "rate", "steady_rate", "sut_cpu_s", "walsender_cpu_s", "server_cpu_s", "peak_rss_mb", "p50_ms", "p99_ms",
                "p999_ms", "max_ms", "cpu_pct", "rss_mb", "commit_ms", "ready_s", "idle_rss_mb", "idle_cpu_pct", "noise", "load_before")
        print(w, a.name, i, " ".join(f"{k}={r[k]:.3f}" if isinstance(r.get(k), float) else f"{k}={r[k]}" for k in keys if r.get(k) is not None), flush=True)
        drop_slot(sql, slot)


if __name__ == "__main__":
    main()
