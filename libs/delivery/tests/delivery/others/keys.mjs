// Makes keys with Node (OpenSSL) in every form that a PEM has. stdin: nothing that matters; stdout: {name: PEM}
import { generateKeyPairSync } from "node:crypto";

const pem = (type) => ({ type, format: "pem" });
const locked = (type) => ({ ...pem(type), cipher: "aes-256-cbc", passphrase: "secret" });
const make = (kind, options, type) =>
  generateKeyPairSync(kind, { ...options, privateKeyEncoding: type, publicKeyEncoding: pem("spki") });
const rsa = (bits) => ({ modulusLength: bits });
const pss = (hash, mask, salt) => ({
  ...rsa(2048),
  hashAlgorithm: hash,
  mgf1HashAlgorithm: mask,
  saltLength: salt,
});
const curve = (name) => ({ namedCurve: name });

const keys = {
  "rsa 2048 pkcs8": make("rsa", rsa(2048), pem("pkcs8")),
  "rsa 3072 pkcs1": make("rsa", rsa(3072), pem("pkcs1")),
  "p-256 pkcs8": make("ec", curve("P-256"), pem("pkcs8")),
  "p-256 sec1": make("ec", curve("P-256"), pem("sec1")),
  "p-384 pkcs8": make("ec", curve("P-384"), pem("pkcs8")),
  "p-384 sec1": make("ec", curve("P-384"), pem("sec1")),
  "ed25519 pkcs8": make("ed25519", {}, pem("pkcs8")),
  "rsa 1024 pkcs8": make("rsa", rsa(1024), pem("pkcs8")),
  "rsa 1024 pkcs1": make("rsa", rsa(1024), pem("pkcs1")),
  "rsa-pss pkcs8": make("rsa-pss", rsa(2048), pem("pkcs8")),
  "rsa-pss sha-256": make("rsa-pss", pss("sha256", "sha256", 32), pem("pkcs8")),
  "rsa-pss sha-512": make("rsa-pss", pss("sha512", "sha512", 32), pem("pkcs8")),
  "rsa-pss sha-1": make("rsa-pss", pss("sha1", "sha1", 20), pem("pkcs8")),
  "rsa-pss mask": make("rsa-pss", pss("sha256", "sha1", 32), pem("pkcs8")),
  "rsa-pss salt": make("rsa-pss", pss("sha256", "sha256", 64), pem("pkcs8")),
  "rsa-pss 1024": make("rsa-pss", rsa(1024), pem("pkcs8")),
  "p-521 pkcs8": make("ec", curve("P-521"), pem("pkcs8")),
  "p-521 sec1": make("ec", curve("P-521"), pem("sec1")),
  "secp256k1 sec1": make("ec", curve("secp256k1"), pem("sec1")),
  "ed448 pkcs8": make("ed448", {}, pem("pkcs8")),
  "x25519 pkcs8": make("x25519", {}, pem("pkcs8")),
  "locked rsa pkcs8": make("rsa", rsa(2048), locked("pkcs8")),
  "locked rsa pkcs1": make("rsa", rsa(2048), locked("pkcs1")),
  "locked p-256 sec1": make("ec", curve("P-256"), locked("sec1")),
};
const rsaPublic = generateKeyPairSync("rsa", rsa(2048)).publicKey.export(pem("pkcs1"));
const named = Object.entries(keys).flatMap(([name, { privateKey, publicKey }]) => [
  [name, privateKey],
  [`public ${name}`, publicKey],
]);
console.log(JSON.stringify({ ...Object.fromEntries(named), "public rsa pkcs1": rsaPublic }));
