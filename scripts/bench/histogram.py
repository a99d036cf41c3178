#!/usr/bin/env python3
"""histogram.py NAME BEFORE AFTER [WHAT [OBSERVATIONS]]  - percentiles of a Prometheus histogram between two pages of metrics.

Within a bucket the values are taken as evenly spread; the shares at the bounds are exact.
"""
import re
import sys


def buckets(page, name):
    found = {}
    for line in open(page):
        match = re.match(re.escape(name) + r'_bucket\{.*le="([^"]+)".*\} ([0-9.]+)', line)
        if match:
            bound = float("inf") if match[1] == "+Inf" else float(match[1])
            found[bound] = found.get(bound, 0) + float(match[2])
    return found


def main():
    name, before, after = sys.argv[1:4]
    what = sys.argv[4] if len(sys.argv) > 4 else "commit to fenced delete"
    observations = sys.argv[5] if len(sys.argv) > 5 else "keys"
    old, new = buckets(before, name), buckets(after, name)
    counts = [(bound, new[bound] - old.get(bound, 0)) for bound in sorted(new)]
    total = counts[-1][1]
    if not total:
        sys.exit("nothing was counted")

    def percentile(share):
        low, below = 0.0, 0.0
        for bound, upto in counts:
            if upto >= share * total:
                if bound == float("inf"):
                    return f"> {low * 1000:g} ms"
                return f"{(low + (bound - low) * (share * total - below) / max(upto - below, 1)) * 1000:.2f} ms"
            low, below = bound, upto
        return "?"

    upto = dict(counts)
    print(f"{what} p50 {percentile(.5)}, p99 {percentile(.99)}; {upto[.005] / total:.2%} within 5 ms, {upto[.025] / total:.2%} within 25 ms, {total:.0f} {observations}")


main()
