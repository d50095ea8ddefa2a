// Parses the AsyncAPI document on stdin with the parser of the AsyncAPI initiative; fails with what is wrong in it.
// usage: node asyncapi.mjs < asyncapi.json, in the folder of node_modules
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Parser } = createRequire(`${process.cwd()}/`)("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
for (const { severity, path, message } of diagnostics) {
  console.log(`${["error", "warning", "information", "hint"][severity]} ${path.join("/")}: ${message}`);
}
process.exit(document === undefined || diagnostics.some(({ severity }) => severity <= 1) ? 1 : 0);
