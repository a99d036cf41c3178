"""Writes and reads one value in each language through Confluent's client, and asks the registry what it has."""
import sys

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import struct_pb2

client = SchemaRegistryClient({"url": sys.argv[1]})
done = []

schema = '{"type":"record","name":"R","fields":[{"name":"a","type":["null","long"],"default":null}]}'
context = SerializationContext("t", MessageField.VALUE)
written = AvroSerializer(client, schema)({"a": 5}, context)
assert written[0] == 0 and AvroDeserializer(client)(written, context) == {"a": 5}
assert int.from_bytes(written[1:5], "big") == client.get_latest_version("t-value").schema_id
done.append("avro")

schema = '{"title":"J","type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":false}'
context = SerializationContext("j", MessageField.VALUE)
written = JSONSerializer(schema, client)({"a": 7}, context)
assert JSONDeserializer(None, schema_registry_client=client)(written, context) == {"a": 7}
assert client.get_latest_version("j-value").schema.schema_type == "JSON"
done.append("json")

context = SerializationContext("p", MessageField.VALUE)
value = struct_pb2.Value(number_value=3)
written = ProtobufSerializer(struct_pb2.Value, client, {"use.deprecated.format": False})(value, context)
read = ProtobufDeserializer(struct_pb2.Value, {"use.deprecated.format": False})(written, context)
assert read == value
assert client.get_latest_version("p-value").schema.schema_type == "PROTOBUF"
done.append("protobuf")

assert client.get_subjects() == ["j-value", "p-value", "t-value"]
assert client.get_compatibility() == "BACKWARD"
wider = Schema('{"type":"record","name":"R","fields":[{"name":"a","type":["null","long","string"],"default":null}]}', "AVRO")
other = Schema('{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}', "AVRO")
assert client.test_compatibility("t-value", wider) and not client.test_compatibility("t-value", other)
try:
    client.register_schema("t-value", other)
    raise AssertionError("an incompatible schema was registered")
except SchemaRegistryError as error:
    assert error.http_status_code == 409 and error.error_code == 409, error
client.set_compatibility("t-value", "NONE")
assert client.get_compatibility("t-value") == "NONE"
assert client.register_schema("t-value", other) == 4
assert client.lookup_schema("t-value", other).version == 2
assert client.delete_version("t-value", 2) == 2
assert client.delete_subject("t-value", permanent=True) == [1, 2] if client.delete_subject("t-value") else False
done.append("rest")
print(*done)
