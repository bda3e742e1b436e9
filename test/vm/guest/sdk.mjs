// A guest of the SDK in a virtual machine, without the agent. argv: JSON of SdkOptions (node.vm.ts). Does everything;
// then fetches slowly until its monitor is gone, attaches to the next one, and does everything again. Says one line of
// JSON each time.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Guest } from "@ringway/guest";

const { port, publishedPort, streams } = JSON.parse(process.argv[2]);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const sumOf = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function body(agent, path) {
  const [response] = await once(get({ agent, host: "127.0.0.1", port, path }), "response");
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function refusal(promise) {
  const { code, rule } = await promise.then(
    () => ({ code: "allowed" }),
    (error) => error,
  );
  return `${code} ${rule}`;
}

/** Serves what it fetched until the host has it; the host says so by asking for /done. */
async function serve(guest, bytes) {
  let done;
  const asked = new Promise((resolve) => {
    done = resolve;
  });
  const web = createServer((request, response) => {
    response.end(request.url === "/done" ? "" : bytes);
    if (request.url === "/done") done();
  });
  const listener = await guest.listen({ host: "127.0.0.1", port: publishedPort }, (socket) =>
    web.emit("connection", socket),
  );
  say({ serving: true });
  await asked;
  await listener[Symbol.asyncDispose]();
}

async function everything(guest) {
  const agent = guest.httpAgent();
  const blob = await body(agent, "/blob");
  const files = await guest.readFile("/data/down");
  await guest.writeFile("/data/up", files);
  const refused = [
    await refusal(guest.connect(80, "forbidden.example")),
    await refusal(guest.connect(80, "169.254.169.254")),
    await refusal(guest.readFile("/etc/passwd")),
  ];
  const parts = await Promise.all(Array.from({ length: streams }, (_, i) => body(agent, `/together/${i}`)));
  await serve(guest, blob);
  agent.destroy();
  return { blob: sumOf(blob), file: sumOf(files), refused, parts: parts.map(sumOf) };
}

/** Until there is a monitor that answers. */
async function attach() {
  for (;;) {
    try {
      return await Guest.attach({ ivshmem: true });
    } catch (error) {
      say({ waiting: error.code });
      await sleep(100);
    }
  }
}

const first = await attach();
say({ report: await everything(first) });

const request = get({ agent: first.httpAgent(), host: "127.0.0.1", port, path: "/endless" });
const [response] = await once(request, "response");
request.on("error", () => {});
response.on("error", () => {});
const gone = once(first, "detach");
for (let got = 0; got < 1 << 20; ) {
  const chunk = response.read();
  if (chunk === null) await once(response, "readable");
  else got += chunk.length;
}
say({ slow: true });
const [error] = await gone;
say({ detached: error.code });
await first.close();

const second = await attach();
say({ report: await everything(second) });
await second.close();
process.exit(0);
