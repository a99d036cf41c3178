"""drain.py HTTP_PORT CONNECTOR CHANGES PID: resumes a paused connector; prints how many changes a second were durable, from the first on, and
what of a processor each took the service, whose process that is."""

import http.client
import json
import os
import sys
import time

port, name, wanted, pid = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
PAUSE_S = 0.02
LIMIT_S = 300

connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)


def changes():
    connection.request("GET", f"/v1/connectors/{name}")
    return json.loads(connection.getresponse().read())["changes"]


def processor_s():
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


before, used = changes(), processor_s()
connection.request("PUT", f"/connectors/{name}/resume")
connection.getresponse().read()
asked = time.monotonic()
first = None
while True:
    now, done = time.monotonic(), changes() - before
    if done > 0 and first is None:
        first = (now, done)
    if done >= wanted:
        # How long the connector took to begin is another matter.
        speed = (done - first[1]) / max(now - first[0], 1e-9)
        print(f"{speed:.0f} rows/s out of the backlog, {(processor_s() - used) / done * 1e6:.2f} us of a processor each")
        break
    if now - asked > LIMIT_S:
        sys.exit(f"{done} of {wanted} changes after {LIMIT_S} s")
    time.sleep(PAUSE_S)
