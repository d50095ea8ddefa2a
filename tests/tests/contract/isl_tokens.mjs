// Issues tokens with npm's jose: reads {name: {claims, key, alg}}, writes {name: token} with the keys that verify them.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const jose = createRequire(`${process.cwd()}/`)("jose");
const asked = JSON.parse(readFileSync(0, "utf8"));
const pair = () => jose.generateKeyPair("RS256", { extractable: true });
const keys = { good: await pair(), other: await pair() };
const pem = await jose.exportSPKI(keys.good.publicKey);

const encoded = (value) => Buffer.from(value).toString("base64url");
const byHand = (header, claims, sign) => {
  const message = [header, claims].map((part) => encoded(JSON.stringify(part))).join(".");
  return `${message}.${encoded(sign(message))}`;
};

const issue = async ({ claims, key = "good", alg = "RS256" }) => {
  if (alg === "none") return byHand({ alg: "none" }, claims, () => "");
  if (alg === "HS256") return byHand({ alg }, claims, (message) => createHmac("sha256", pem).update(message).digest());
  if (alg === "EdDSA") {
    const { privateKey } = await jose.generateKeyPair("EdDSA");
    return new jose.SignJWT(claims).setProtectedHeader({ alg }).sign(privateKey);
  }
  const header = { alg: alg === "ES256" ? "RS256" : alg, kid: "k1" };
  return new jose.SignJWT(claims).setProtectedHeader(header).sign(keys[key].privateKey);
};

const issued = {};
for (const [name, one] of Object.entries(asked)) issued[name] = await issue(one);
const jwk = await jose.exportJWK(keys.good.publicKey);
issued.public_key = pem;
issued.jwks = { keys: [{ ...jwk, kid: "k1", alg: "RS256", use: "sig" }] };
process.stdout.write(JSON.stringify(issued));
