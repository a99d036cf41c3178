"""Reads lines {"topic", "side", "avro": hex, "json": text} and compares what Confluent's deserializer makes of the Avro with the JSON."""
import base64
import datetime
import decimal
import json
import math
import struct
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def flat(value):
    return [inner for item in value for inner in flat(item)] if isinstance(value, list) else [value]


def number(text):
    return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(text, text)


def same(avro, event):
    if isinstance(avro, dict):
        return isinstance(event, dict) and list(avro) == list(event) and all(same(avro[name], event[name]) for name in avro)
    if isinstance(avro, list):
        event = flat(event)
        return len(avro) == len(event) and all(map(same, avro, event))
    if isinstance(avro, bytes):
        return base64.b64encode(avro).decode() == event
    if isinstance(avro, decimal.Decimal):
        sign, digits, _ = avro.as_tuple()
        unscaled = int("".join(map(str, digits))) * (-1 if sign else 1)
        return unscaled == int.from_bytes(base64.b64decode(event), "big", signed=True)
    if isinstance(avro, datetime.datetime):
        return round((avro - EPOCH) / datetime.timedelta(milliseconds=1)) == event
    if isinstance(avro, datetime.date):
        return (avro - EPOCH.date()).days == event
    if isinstance(avro, datetime.time):
        return ((avro.hour * 60 + avro.minute) * 60 + avro.second) * 1000 + avro.microsecond // 1000 == event
    if isinstance(avro, float):
        event = number(event)
        single = lambda value: struct.pack("<f", value)
        return math.isnan(avro) and math.isnan(event) or avro == event or (abs(event) < 3.5e38 and single(avro) == single(event))
    return type(avro) is type(event) and avro == event


reading = AvroDeserializer(SchemaRegistryClient({"url": sys.argv[1]}))
count = 0
for line in sys.stdin:
    pair = json.loads(line)
    field = MessageField.KEY if pair["side"] == "key" else MessageField.VALUE
    avro = reading(bytes.fromhex(pair["avro"]), SerializationContext(pair["topic"], field))
    event = json.loads(pair["json"])
    if "source" in event:
        # Another connector: its own name, its own clock, its own place in the stream.
        for side in (avro, event):
            for name in ("ts_ms", "ts_us", "ts_ns"):
                side.pop(name, None)
            for name in ("name", "sequence", "ts_ms", "ts_us", "ts_ns", "snapshot", "lsn", "txId"):
                assert name in side["source"], name
                del side["source"][name]
    assert same(avro, event), f"{pair['topic']} {pair['side']}\n{avro}\n{event}"
    count += 1
print(count)
