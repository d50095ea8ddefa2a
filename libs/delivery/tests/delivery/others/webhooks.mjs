// Verifies and signs with npm's standardwebhooks; v1a, which it does not know, with Node's own Ed25519.
// stdin: {"attempts": [{"keys": […], "headers": {…}, "body"}], "sign": {"secret", "pair", "id", "body"}}
// stdout: {"verified": [[true, …], …], "signed": {headers}}
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const { Webhook } = createRequire(`${process.cwd()}/`)("standardwebhooks");
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const input = JSON.parse(await text(process.stdin));

const content = (headers, body) => Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);

function verifies(key, headers, body) {
  if (key.startsWith("whpk_")) {
    const der = Buffer.concat([SPKI, Buffer.from(key.slice(5), "base64")]);
    const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
    return headers["webhook-signature"].split(" ").some((entry) => {
      const [version, signature] = entry.split(",");
      return version === "v1a" && verify(null, content(headers, body), publicKey, Buffer.from(signature, "base64"));
    });
  }
  try {
    new Webhook(key).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function signed({ secret, pair, id, body }) {
  const now = new Date();
  const headers = { "webhook-id": id, "webhook-timestamp": `${Math.floor(now / 1000)}` };
  const der = Buffer.concat([PKCS8, Buffer.from(pair.slice(5), "base64").subarray(0, 32)]);
  const signature = sign(null, content(headers, body), createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  const byPair = `v1a,${signature.toString("base64")}`;
  return { ...headers, "webhook-signature": `${new Webhook(secret).sign(id, now, body)} ${byPair}` };
}

const verified = input.attempts.map(({ keys, headers, body }) => keys.map((key) => verifies(key, headers, body)));
console.log(JSON.stringify({ verified, signed: signed(input.sign) }));
