#!/usr/bin/env python3
"""The shipping service: one shipment for each order it hears of, once.

An event may come again: after a crash the group goes on behind the last place that was committed, and what came since comes once more. So the
event's id is stored in the transaction that makes the shipment, and an id that is there already makes none.
"""

import os

import psycopg
from confluent_kafka import Consumer

consumer = Consumer({
    "bootstrap.servers": os.environ.get("KAFKA_BOOTSTRAP", "127.0.0.1:9092"),
    "group.id": os.environ.get("GROUP", "shipping"),
    # A static member: started again after a kill it takes its partitions back at once.
    "group.instance.id": "shipping-1",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "topic.metadata.refresh.interval.ms": 1000,  # The topic comes with the first order.
})
consumer.subscribe(["store.events.orders"])

SEEN = """insert into shipping.events (id) values (%s)
          on conflict (id) do update set deliveries = events.deliveries + 1 returning deliveries"""
SHIP = "insert into shipping.shipments (order_id, address) values ((%(order)s::jsonb ->> 'id')::bigint, %(order)s::jsonb ->> 'customer')"

with psycopg.connect(autocommit=True) as db:  # PGHOST, PGPORT, ...
    while True:
        # Errors are told by librdkafka, which goes on by itself: the service is away, the topic is not there yet.
        messages = [message for message in consumer.consume(100, timeout=0.2) if message.error() is None]
        if not messages:
            continue
        with db.transaction():
            for message in messages:
                headers = dict(message.headers())
                if headers["eventType"] != b"OrderPlaced":
                    continue
                [deliveries] = db.execute(SEEN, [headers["id"].decode()]).fetchone()
                if deliveries == 1:
                    db.execute(SHIP, {"order": message.value().decode()})
        # Behind the transaction: what is not committed here comes again, and is known.
        consumer.commit(asynchronous=False)
