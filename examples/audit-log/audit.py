#!/usr/bin/env python3
"""Tells who changed which account when, and from what to what: the topic read from its start.

    audit.py [--row ID] [--who NAME] [--no-times]
"""

import argparse
import base64
import json
import os
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

WORDS = {"r": "found", "c": "insert", "u": "update", "d": "delete"}


def read_all(topic):
    """Every event of a topic, from the first that is kept to the last that is there now."""
    consumer = Consumer({
        "bootstrap.servers": os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
        "group.id": "audit",  # No place is stored: each run reads everything.
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,  # The end of the topic is told soon.
    })
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    left = len(partitions)
    while left:
        message = consumer.poll(10)
        if message is None:
            raise SystemExit("nothing came for ten seconds")
        if message.error() is None:
            if message.value() is not None:  # The tombstone behind a delete.
                yield json.loads(message.value())
        elif message.error().code() == KafkaError._PARTITION_EOF:
            left -= 1
        else:
            raise SystemExit(str(message.error()))
    consumer.close()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--row", type=int)
    options.add_argument("--who")
    options.add_argument("--no-times", action="store_true")
    options = options.parse_args()
    # A transaction's message is durable with its changes. So it is there when it is read behind them.
    changes = list(read_all("bank.public.accounts"))
    who = {e["source"]["txId"]: base64.b64decode(e["message"]["content"]).decode() for e in read_all("bank.message")}
    for event in changes:
        before, after, source = event["before"] or {}, event["after"] or {}, event["source"]
        row = after or before
        by = who.get(source["txId"], "before the log began")
        if options.row not in (None, row["id"]) or options.who not in (None, by):
            continue
        changed = [f"{c} {before.get(c, '-')} -> {after.get(c, '-')}" for c in row if before.get(c) != after.get(c) and c != "id"]
        time = "" if options.no_times else f"{datetime.fromtimestamp(source['ts_ms'] / 1000):%Y-%m-%d %H:%M:%S.%f}  "
        print(f"{time}{by:20}  {WORDS[event['op']]} account {row['id']}: {', '.join(changed)}")


main()
