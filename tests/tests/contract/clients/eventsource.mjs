// Follows a change stream with npm's eventsource, which reconnects by itself, and writes a line of JSON
// for each change and each time that it has connected.
// usage: node eventsource.mjs URL TOKEN, in the folder of node_modules
import { createRequire } from "node:module";

const { EventSource } = createRequire(`${process.cwd()}/`)("eventsource");
const [url, token] = process.argv.slice(2);
const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
});
const say = (line) => console.log(JSON.stringify(line));
source.addEventListener("open", () => say({ event: "open" }));
for (const type of ["client.registered", "client.updated"]) {
  source.addEventListener(type, ({ data, lastEventId }) => say({ event: type, id: lastEventId, change: JSON.parse(data) }));
}
