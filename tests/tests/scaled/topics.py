"""Reads a topic from its beginning to its end, as far as transactions are committed, and writes a line of JSON for each
record: changes as the CloudEvents SDK reads them, and the partition that Java's clients would have chosen for the key.

usage: topics.py SERVERS TOPIC
"""

import json
import sys

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from kafka import KafkaConsumer, TopicPartition
from kafka.partitioner.default import murmur2

servers, topic = sys.argv[1:]
consumer = KafkaConsumer(
    bootstrap_servers=servers.split(","),
    isolation_level="read_committed",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
)
partitions = [TopicPartition(topic, partition) for partition in sorted(consumer.partitions_for_topic(topic))]
consumer.assign(partitions)
consumer.seek_to_beginning()
ends = consumer.end_offsets(partitions)


def change(record):
    headers = dict(record.headers)
    event = from_binary(KafkaMessage(headers, record.key, record.value), JSONFormat())
    attributes = {name: value for name, value in event.get_attributes().items() if name != "time"}
    return {"attributes": {**attributes, "time": headers["ce_time"].decode()}, "data": event.get_data()}


def row(record):
    return {"row": None if record.value is None else json.loads(record.value)}


while any(consumer.position(partition) < end for partition, end in ends.items()):
    for records in consumer.poll(timeout_ms=500).values():
        for record in records:
            line = change(record) if record.headers else row(record)
            line["key"] = record.key.decode()
            line["partition"] = record.partition
            line["chosen"] = (murmur2(record.key) & 0x7FFFFFFF) % len(partitions)
            print(json.dumps(line))
consumer.close()
