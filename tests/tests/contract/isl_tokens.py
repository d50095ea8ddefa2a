"""Issues tokens with PyJWT: reads {name: {claims, key, alg}}, writes {name: token} with the keys that verify them."""

import base64
import hashlib
import hmac
import json
import sys

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

keys = {"good": ec.generate_private_key(ec.SECP256R1()), "other": ec.generate_private_key(ec.SECP256R1())}
pem = keys["good"].public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def encoded(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def by_hand(header, claims, sign):
    message = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{message}.{encoded(sign(message.encode()))}"


def issue(asked):
    claims, alg = asked["claims"], asked.get("alg", "ES256")
    if alg == "none":
        return by_hand({"alg": "none", "typ": "JWT"}, claims, lambda _: b"")
    if alg == "HS256":
        # PyJWT refuses to take a public key for a secret; an attacker does not
        return by_hand({"alg": alg}, claims, lambda message: hmac.new(pem, message, hashlib.sha256).digest())
    if alg == "EdDSA":
        return jwt.encode(claims, ed25519.Ed25519PrivateKey.generate(), algorithm=alg)
    return jwt.encode(claims, keys[asked.get("key", "good")], algorithm=alg, headers={"kid": "k1"})


issued = {name: issue(asked) for name, asked in json.load(sys.stdin).items()}
jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(keys["good"].public_key()))
issued["public_key"] = pem.decode()
issued["jwks"] = {"keys": [{**jwk, "kid": "k1", "alg": "ES256", "use": "sig"}]}
json.dump(issued, sys.stdout)
