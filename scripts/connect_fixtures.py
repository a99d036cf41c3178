"""connect_fixtures.py ADDRESS PG_PORT [FILE...]: sends the requests of the fixtures to a Kafka Connect worker, and writes down what
it answers. A fixture is {"about": ..., "exchanges": [{"request": {...}, "answer": {...}}]}; `until` of a request names a place in
the body (a JSON pointer) and what must be there, and the request is sent again until it is. {{PORT}} and {{DATABASE}}
stand for PostgreSQL's port and database, {{WORKER}} for the worker's address, {{CLUSTER}} for the id of its cluster, {{NUMBER}} for
a moment or a position."""

import glob
import http.client
import json
import sys
import time

TRIES = 120
DATABASE = "fixture_db"
MOVING = ["last_modified", "lsn", "lsn_proc", "lsn_commit", "txId", "ts_usec"]
HEADERS = ["content-type", "location"]


def send(address, request, port):
    text = lambda part: part.replace("{{PORT}}", port).replace("{{DATABASE}}", DATABASE)
    body = request.get("body")
    body = body if body is None or isinstance(body, str) else json.dumps(body)
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {} if body is None else {"Content-Type": request.get("type", "application/json")}
    connection.request(request["method"], text(request["path"]), None if body is None else text(body), headers)
    answer = connection.getresponse()
    data = answer.read().decode()
    try:
        data = json.loads(data) if data else None
    except ValueError:
        pass
    kept = {name: answer.getheader(name) for name in HEADERS if answer.getheader(name)}
    return {"status": answer.status, "headers": kept, "body": data}


def at(data, pointer):
    for part in pointer.strip("/").split("/"):
        if isinstance(data, list):
            data = data[int(part)] if int(part) < len(data) else None
        elif isinstance(data, dict):
            data = data.get(part)
    return data


def plain(data, address, port, cluster):
    """What differs from run to run, by name; of a stack trace its first line."""
    if isinstance(data, dict):
        first = lambda key, value: value.splitlines()[0] if key == "trace" else value
        moving = lambda key, value: type(value) is int and key in MOVING
        return {key: "{{NUMBER}}" if moving(key, value) else plain(first(key, value), address, port, cluster) for key, value in data.items()}
    if isinstance(data, list):
        return [plain(value, address, port, cluster) for value in data]
    if isinstance(data, str):
        for value, name in [(address, "WORKER"), (cluster, "CLUSTER"), (port, "PORT"), (DATABASE, "DATABASE")]:
            data = data.replace(value, "{{" + name + "}}")
        return data
    return data


def main():
    address, port, *files = sys.argv[1:]
    cluster = send(address, {"method": "GET", "path": "/"}, port)["body"]["kafka_cluster_id"]
    wrong = []
    for file in files or sorted(glob.glob("tests/connect_fixtures/*.json")):
        with open(file) as opened:
            fixture = json.load(opened)
        for exchange in fixture["exchanges"]:
            request = exchange["request"]
            until = request.get("until", {})
            for _ in range(TRIES):
                answer = send(address, request, port)
                # A worker that is sharing out its work says so with a 409: that is no answer.
                busy = answer["status"] == 409 and "rebalanc" in str(answer["body"])
                if not busy and all(at(answer["body"], pointer) == value for pointer, value in until.items()):
                    break
                time.sleep(0.25)
            else:
                wrong.append(f"{file}: {request}: still {answer}")
            exchange["answer"] = plain(answer, address, port, cluster)
        with open(file, "w") as opened:
            json.dump(fixture, opened, indent=1, ensure_ascii=False)
            opened.write("\n")
        print(f"{file}: {len(fixture['exchanges'])} answers")
    if wrong:
        sys.exit("\n".join(wrong))


main()
