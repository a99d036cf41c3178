#!/usr/bin/env python3
"""ratios.py FOLDER  - per workload: the median of each system, and rowfeed's share of the best raw drain, or of COPY, and how many
times Debezium's it is, in the same run."""
import json, pathlib, statistics, sys

folder = pathlib.Path(sys.argv[1])
bad = False
for file in sorted(folder.glob("w[1234].jsonl")):
    runs = {}
    for line in file.read_text().splitlines():
        r = json.loads(line)
        if r["what"] in ("stream", "snapshot"):
            runs.setdefault(r["name"], []).append(r)
    print(f"\n{file.stem}: {'system':<22} {'runs':>4} {'events/s':>10} {'range':>19} {'CPU s':>7} {'walsender CPU s':>16} {'peak MiB':>9} {'noise %':>8}")
    middle = {}
    for name, rs in runs.items():
        good = [r for r in rs if r["ok"]]
        bad |= len(good) < len(rs)
        if not good:
            print(f"    {name:<22} all {len(rs)} runs failed")
            continue
        rates = [r["rate"] for r in good]
        middle[name] = statistics.median(rates)
        m = lambda key: statistics.median(r[key] or 0 for r in good)
        print(f"    {name:<22} {len(good):>4} {middle[name]:>10,.0f} {min(rates):>9,.0f}-{max(rates):>9,.0f} {m('sut_cpu_s'):>7.2f} {m('walsender_cpu_s'):>16.2f} "
              f"{max(r['peak_rss_mb'] for r in good):>9.0f} {100 * m('noise'):>8.0f}")
    raw = max((rate for name, rate in middle.items() if name.startswith("rawdrain")), default=None)
    for name, rate in middle.items():
        peer = middle.get(name.replace("rowfeed", "debezium").removesuffix("-lz4"))
        if name.startswith("rowfeed") and "copy-2" in middle:
            print(f"    {name}: {rate / middle['copy-2']:.2f} of two COPY" + (f", {rate / peer:.1f} times Debezium" if peer else ""))
        if name.startswith("rowfeed") and raw:
            print(f"    {name}: {rate / raw:.2f} of the best raw drain" + (f", {rate / middle['recvlogical']:.2f} of pg_recvlogical" if "recvlogical" in middle else ""))
for what, keys in (("latency", ("p50_ms", "p99_ms", "p999_ms", "max_ms", "cpu_pct", "rss_mb", "peak_rss_mb")), ("idle", ("ready_s", "idle_rss_mb", "idle_cpu_pct"))):
    file = folder / "w5.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    for r in rows:
        if r["what"] == what:
            bad |= not r["ok"]
            print(f"\nw5 {what} {r['name']}: ok={r['ok']} " + " ".join(f"{k}={r[k]:.2f}" for k in keys if r.get(k) is not None))
sys.exit(bad)
