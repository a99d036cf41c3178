"""same.py URL FORM: reads lines {"topic", "side", "avro": hex, "json": text} and compares what Confluent's deserializer of the
form (avro, json, protobuf, protobuf-null: nulls are told) makes of the bytes with the JSON."""
import base64
import datetime
import decimal
import json
import math
import os
import re
import struct
import sys
import tempfile

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
# Confluent's own, which its client has compiled only.
DECIMAL = 'syntax = "proto3"; package confluent.type; message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }'


def flat(value):
    return [inner for item in value for inner in flat(item)] if isinstance(value, list) else [value]


def number(text):
    return {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(text, text)


def same_float(read, event):
    event = number(event)
    single = lambda value: struct.pack("<f", value)
    return math.isnan(read) and math.isnan(event) or read == event or (abs(event) < 3.5e38 and single(read) == single(event))


def same(read, event):
    if isinstance(read, dict):
        return isinstance(event, dict) and list(read) == list(event) and all(same(read[name], event[name]) for name in read)
    if isinstance(read, list):
        event = flat(event)
        return len(read) == len(event) and all(map(same, read, event))
    if isinstance(read, bytes):
        return base64.b64encode(read).decode() == event
    if isinstance(read, decimal.Decimal):
        sign, digits, _ = read.as_tuple()
        unscaled = int("".join(map(str, digits))) * (-1 if sign else 1)
        return unscaled == int.from_bytes(base64.b64decode(event), "big", signed=True)
    if isinstance(read, datetime.datetime):
        return round((read - EPOCH) / datetime.timedelta(milliseconds=1)) == event
    if isinstance(read, datetime.date):
        return (read - EPOCH.date()).days == event
    if isinstance(read, datetime.time):
        return ((read.hour * 60 + read.minute) * 60 + read.second) * 1000 + read.microsecond // 1000 == event
    if isinstance(read, float):
        return same_float(read, event)
    return type(read) is type(event) and read == event


class Messages:
    """Reads Protocol Buffers by what the registry has of their schemas, compiled by protoc."""

    def __init__(self, client):
        self.client, self.known, self.folder = client, {}, tempfile.mkdtemp()
        os.makedirs(f"{self.folder}/confluent/type")
        with open(f"{self.folder}/confluent/type/decimal.proto", "w") as file:
            file.write(DECIMAL)

    def compiled(self, identity):
        import google.type.date_pb2
        import grpc_tools
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
        from grpc_tools import protoc

        text = self.client.get_schema(identity).schema_str
        # Confluent's converter uses this option without importing its file.
        text = re.sub(r" \[\(confluent\.field_meta\) = \{.*?\}\];", ";", text, flags=re.S)
        with open(f"{self.folder}/s{identity}.proto", "w") as file:
            file.write(text)
        known = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
        types = os.path.dirname(os.path.dirname(os.path.dirname(google.type.date_pb2.__file__)))
        out = f"{self.folder}/s{identity}.set"
        order = ["protoc", f"-I{self.folder}", f"-I{known}", f"-I{types}", "--include_imports", f"--descriptor_set_out={out}", f"s{identity}.proto"]
        assert protoc.main(order) == 0, text
        pool = descriptor_pool.DescriptorPool()
        files = descriptor_pb2.FileDescriptorSet.FromString(open(out, "rb").read())
        for file in files.file:
            pool.Add(file)
        own = files.file[-1]
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{own.package}.{own.message_type[0].name}"))

    def __call__(self, data, context):
        identity = int.from_bytes(data[1:5], "big")
        if identity not in self.known:
            message = self.compiled(identity)
            # With a client it also reads the registry's schema, for which it lacks the file of Confluent's decimal.
            has_decimals = "confluent/type/decimal.proto" in self.client.get_schema(identity).schema_str
            # Apicurio's registry does not give schemas compiled.
            client = None if has_decimals or "/ccompat/" in sys.argv[1] else self.client
            self.known[identity] = ProtobufDeserializer(message, {"use.deprecated.format": False}, client)
        return self.known[identity](data, context)


TELLS_NULLS = False


def same_field(message, field, event):
    value = getattr(message, field.name)
    if field.is_repeated:
        if isinstance(event, dict):
            read = {entry.key: entry for entry in value}
            return list(read) == list(event) and all(same_field(read[key], read[key].DESCRIPTOR.fields_by_name["value"], event[key]) for key in event)
        items = [] if event is None else flat(event)
        return len(items) == len(value) and all(same_value(read, field, item) for read, item in zip(value, items))
    if event is None:
        if not field.has_presence:
            return not TELLS_NULLS and value == field.default_value
        return not message.HasField(field.name)
    if field.has_presence and not message.HasField(field.name):
        return False
    return same_value(value, field, event)


def same_value(value, field, event):
    if field.message_type is None:
        return same_single(value, event)
    kind = field.message_type.full_name
    if kind.startswith("google.protobuf.") and kind.endswith("Value"):
        return same_single(value.value, event)
    if kind == "confluent.type.Decimal":
        unscaled = int.from_bytes(value.value, "big", signed=True)
        return same_single(value.value, event) and value.precision == len(str(abs(unscaled)))
    if kind == "google.type.Date":
        # Python has no year before 1, and Java's old years are Julian.
        return event < -141427 or event > 2932896 or (datetime.date(value.year, value.month, value.day) - EPOCH.date()).days == event
    if kind == "google.type.TimeOfDay":
        return ((value.hours * 60 + value.minutes) * 60 + value.seconds) * 1000 + value.nanos // 1000000 == event % 86400000
    if kind == "google.protobuf.Timestamp":
        return value.seconds * 1000 + value.nanos // 1000000 == event and 0 <= value.nanos < 1000000000
    return same_message(value, event)


def same_single(value, event):
    if isinstance(value, float):
        return same_float(value, event)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() == event
    return type(value) is type(event) and value == event


def same_message(message, event):
    fields = message.DESCRIPTOR.fields
    return [field.name for field in fields] == list(event) and all(same_field(message, field, event[field.name]) for field in fields)


def forget(event):
    """Another connector: its own name, its own clock, its own place in the stream."""
    for name in ("ts_ms", "ts_us", "ts_ns"):
        event.pop(name, None)
    for name in ("name", "sequence", "ts_ms", "ts_us", "ts_ns", "snapshot", "lsn", "txId"):
        assert name in event["source"], name
        del event["source"][name]


def forget_in(message, event):
    """The same of a message: it gets the JSON's values."""
    for name in ("ts_ms", "ts_us", "ts_ns"):
        if name in event:
            put(message, name, event[name])
    for name in ("name", "sequence", "ts_ms", "ts_us", "ts_ns", "snapshot", "lsn", "txId"):
        put(message.source, name, event["source"][name])


def put(message, name, value):
    message.ClearField(name)
    if value is not None:
        if message.DESCRIPTOR.fields_by_name[name].message_type:
            getattr(message, name).value = value
            getattr(message, name).SetInParent()
        else:
            setattr(message, name, value)


client = SchemaRegistryClient({"url": sys.argv[1]})
form = sys.argv[2]
TELLS_NULLS = form == "protobuf-null"
if form == "avro":
    reading = AvroDeserializer(client)
elif form == "json":
    checking = JSONDeserializer(None, schema_registry_client=client)
    lenient = JSONDeserializer(None, schema_registry_client=client, conf={"validate": False})
    # A schema of numbers knows no text, which JSON has these three as, and one of a list no lists within.
    reading = lambda data, context: (lenient if re.search(rb'"(NaN|-?Infinity)"|\[\[', data) else checking)(data, context)
else:
    reading = Messages(client)
count = 0
for line in sys.stdin:
    pair = json.loads(line)
    field = MessageField.KEY if pair["side"] == "key" else MessageField.VALUE
    read = reading(bytes.fromhex(pair["avro"]), SerializationContext(pair["topic"], field))
    event = json.loads(pair["json"])
    if form.startswith("protobuf"):
        if "source" in event:
            forget_in(read, event)
        is_same = same_message(read, event)
    else:
        if "source" in event:
            forget(read)
            forget(event)
        is_same = same(read, event) if form == "avro" else str(read) == str(event)
    assert is_same, f"{pair['topic']} {pair['side']}\n{read}\n{event}"
    count += 1
print(count)
