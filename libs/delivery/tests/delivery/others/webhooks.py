"""Verifies and signs with PyPI's standardwebhooks; v1a, which it does not know, with cryptography's Ed25519.

stdin: {"attempts": [{"keys": […], "headers": {…}, "body"}], "sign": {"secret", "pair", "id", "body"}}
stdout: {"verified": [[true, …], …], "signed": {headers}}
"""

import base64
import json
import sys
from datetime import datetime, timezone

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def content(headers, body):
    return f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()


def is_by(public_key, signature, signed):
    try:
        public_key.verify(signature, signed)
        return True
    except InvalidSignature:
        return False


def verifies(key, headers, body):
    if key.startswith("whpk_"):
        public_key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key[5:]))
        entries = [entry.split(",") for entry in headers["webhook-signature"].split(" ")]
        signatures = [base64.b64decode(signature) for version, signature in entries if version == "v1a"]
        return any(is_by(public_key, signature, content(headers, body)) for signature in signatures)
    try:
        Webhook(key).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


def signed(secret, pair, id, body):
    now = datetime.now(timezone.utc)
    headers = {"webhook-id": id, "webhook-timestamp": str(int(now.timestamp()))}
    private_key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(pair[5:])[:32])
    by_pair = base64.b64encode(private_key.sign(content(headers, body))).decode()
    by_secret = Webhook(secret).sign(id, now, body)
    return headers | {"webhook-signature": f"{by_secret} v1a,{by_pair}"}


task = json.load(sys.stdin)
verified = [[verifies(key, sent["headers"], sent["body"]) for key in sent["keys"]] for sent in task["attempts"]]
print(json.dumps({"verified": verified, "signed": signed(**task["sign"])}))
