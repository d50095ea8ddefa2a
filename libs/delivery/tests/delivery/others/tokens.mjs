// Verifies tokens by a JWK set, and issues others, with npm's jose.
// stdin: {"jwks": {…}, "tokens": […], "claims": {…}}
// stdout: {"verified": [claims or null, …], "kids": [thumbprint of each key], "jwks": {…}, "pems": […], "issued": […]}
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const jose = createRequire(`${process.cwd()}/`)("jose");
const ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
const { jwks, tokens, claims } = JSON.parse(await text(process.stdin));

const keyOf = jose.createLocalJWKSet(jwks);
const verified = await Promise.all(
  tokens.map((token) =>
    jose.jwtVerify(token, keyOf, { typ: "secevent+jwt" }).then(({ payload }) => payload, () => null)),
);
const kids = await Promise.all(jwks.keys.map((key) => jose.calculateJwkThumbprint(key)));

const keys = [];
const pems = [];
const issued = [];
for (const alg of ALGORITHMS) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  keys.push({ ...(await jose.exportJWK(publicKey)), kid: alg, alg, use: "sig" });
  pems.push(await jose.exportSPKI(publicKey));
  issued.push(await new jose.SignJWT(claims).setProtectedHeader({ alg, kid: alg }).setIssuedAt().sign(privateKey));
}
console.log(JSON.stringify({ verified, kids, jwks: { keys }, pems, issued }));
