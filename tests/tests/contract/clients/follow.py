"""Follows a change stream with httpx-sse, reads each change with the CloudEvents SDK, and writes a line of JSON for it.

usage: follow.py URL TOKEN
"""

import json
import sys

import httpx
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from httpx_sse import connect_sse

url, token = sys.argv[1:]
headers = {"authorization": f"Bearer {token}"}
with httpx.Client(timeout=None, headers=headers) as client, connect_sse(client, "GET", url) as source:
    for sent in source.iter_sse():
        if "." not in sent.event:
            continue
        event = JSONFormat().read(CloudEvent, sent.data)
        attributes = {
            "specversion": event.get_specversion(),
            "id": event.get_id(),
            "source": event.get_source(),
            "type": event.get_type(),
            "subject": event.get_subject(),
            "datacontenttype": event.get_datacontenttype(),
            "partition": event.get_extension("partition"),
            "sequence": event.get_extension("sequence"),
            "recordedtime": event.get_extension("recordedtime"),
        }
        print(json.dumps({"event": sent.event, "attributes": attributes, "data": event.get_data()}), flush=True)
