"""Verifies tokens by a JWK set, and issues others, with PyJWT.

stdin: {"jwks": {…}, "tokens": […], "claims": {…}}
stdout: {"verified": [claims or null, …], "jwks": {…}, "pems": […], "issued": […]}
"""

import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

ALGORITHMS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}

REQUIRED = ["iss", "iat", "exp", "jti"]

task = json.load(sys.stdin)
known = jwt.PyJWKSet.from_dict(task["jwks"])


def verify(token):
    try:
        key = known[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(token, key, algorithms=[key.algorithm_name], options={"require": REQUIRED})
    except (jwt.InvalidTokenError, KeyError):
        return None


keys, pems, issued = [], [], []
for name, generate in ALGORITHMS.items():
    private_key = generate()
    public_key = private_key.public_key()
    jwk = get_default_algorithms()[name].to_jwk(public_key, as_dict=True)
    keys.append(jwk | {"kid": name, "alg": name, "use": "sig"})
    pems.append(public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    issued.append(jwt.encode(task["claims"], private_key, algorithm=name, headers={"kid": name}))

verified = [verify(token) for token in task["tokens"]]
print(json.dumps({"verified": verified, "jwks": {"keys": keys}, "pems": pems, "issued": issued}))
