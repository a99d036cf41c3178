"""consume.py BOOTSTRAP all|group TOPIC COUNT: prints "partition offset key value" of COUNT records."""
import sys

from kafka import KafkaConsumer, TopicPartition

bootstrap, mode, topic, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
consumer = KafkaConsumer(
    bootstrap_servers=bootstrap,
    group_id="python-group",
    enable_auto_commit=False,
    auto_offset_reset="earliest",
)
if mode == "all":
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
else:
    consumer.subscribe([topic])
seen = 0
while seen < count:
    for records in consumer.poll(timeout_ms=1000).values():
        for record in records:
            print(record.partition, record.offset, record.key.decode(), record.value.decode())
            seen += 1
if mode == "group":
    consumer.commit()
consumer.close()
