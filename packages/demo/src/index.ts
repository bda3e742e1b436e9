// ringway demo: a monitor, servers on the host, and a guest that has no network, all real and all on this machine. Each
// step throws where something does not hold, so that reaching the end means that all of it did.
//
//   this process: file server, private service, HTTP client
//   ringway monitor ──attach socket──> the guest (guest-main.ts), in an empty network namespace

import { cpSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { bodyOf, newSeed, pageOf, sha256 } from "./body.ts";
import { type Child, Remains } from "./children.ts";
import { findIsolation, type Isolation } from "./namespace.ts";
import {
  BODY_BYTES,
  forbidden,
  type GuestEvent,
  type GuestTask,
  nameOf,
  PAGE_BYTES,
  REQUESTS,
  TIME_LIMIT_MS,
} from "./plan.ts";
import { Progress } from "./progress.ts";
import { formatTable, type Row, say } from "./report.ts";
import { type Running, startFileServer, startPrivateService } from "./servers.ts";

const DEMO = fileURLToPath(new URL("../host/", import.meta.url));
const GUEST = fileURLToPath(new URL("./guest-main.js", import.meta.url));

/** `ringway` starts the command: its arguments follow. Resolves with the exit code. */
export async function runDemo(ringway: readonly string[]): Promise<number> {
  const start = performance.now();
  const remains = new Remains();
  const servers: Running[] = [];
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`the demo did not end within ${TIME_LIMIT_MS / 1000} s`)),
      TIME_LIMIT_MS,
    );
  });
  try {
    const rows = await Promise.race([show(ringway, remains, servers), tooLate]);
    console.log(`\n${formatTable(rows)}\n`);
    console.log(`All of it held, in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
    return 0;
  } finally {
    clearTimeout(timer);
    for (const server of servers) server.close();
    remains.clear();
  }
}

async function show(ringway: readonly string[], remains: Remains, servers: Running[]): Promise<Row[]> {
  console.log("A guest without a network gets what its policy allows, and nothing else.\n");
  const { folder } = remains;
  const policy = makeFolders(folder);
  const seed = newSeed();
  const fileServer = await startFileServer(seed, BODY_BYTES);
  const privateService = await startPrivateService();
  servers.push(fileServer, privateService);
  say(
    "host",
    `a file server on 127.0.0.1:${fileServer.port}, a private service on 127.0.0.1:${privateService.port}`,
  );

  const socket = join(folder, "attach.sock");
  const monitor = remains.start("monitor", [...ringway, "monitor", "--policy", policy, "--listen", socket]);
  await monitor.stderrLine((line) => line.includes('"monitor is ready"'));
  say("monitor", `process ${monitor.pid}, with the policy ${relative("", join(DEMO, "policy.yaml"))}`);

  const isolation = findIsolation();
  const trials = forbidden(privateService.port);
  const task: GuestTask = {
    socket,
    port: fileServer.port,
    hostNamespace: readlinkSync("/proc/self/ns/net"),
    forbidden: trials.map(({ request }) => request),
  };
  const command = [...isolation.prefix, process.execPath, GUEST, JSON.stringify(task)];
  const guest = remains.start("guest", command);
  const rows: Row[] = [];
  rows.push(await checkNamespace(guest, isolation));
  rows.push(await checkFetch(guest, seed));
  rows.push(await checkServing(guest));
  rows.push(...(await checkFiles(guest, folder)));
  rows.push(await checkRefusals(guest, monitor, trials));

  const guestEnd = await guest.ended;
  check(guestEnd === 0, `the guest ended with ${guestEnd}: ${guest.stderr.join("\n")}`);
  check(privateService.connections === 0, "somebody reached the private service");
  monitor.kill("SIGTERM");
  const monitorEnd = await monitor.ended;
  check(monitorEnd === 0, `the monitor ended with ${monitorEnd} after SIGTERM`);
  return rows;
}

function check(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

/** A copy of the policy and of the folders that it names beside it, and something outside of them. */
function makeFolders(folder: string): string {
  cpSync(DEMO, folder, { recursive: true });
  writeFileSync(join(folder, "secret"), "outside of every folder\n");
  symlinkSync("../secret", join(folder, "scratch/way-out"));
  return join(folder, "policy.yaml");
}

/** The guest's next event, which must be of this kind. */
async function next<E extends GuestEvent["event"]>(
  guest: Child,
  event: E,
): Promise<Extract<GuestEvent, { event: E }>> {
  const line = await guest.line();
  const told = JSON.parse(line) as GuestEvent;
  check(told.event === event, `expected the guest to tell of "${event}"; it told ${line}`);
  return told as Extract<GuestEvent, { event: E }>;
}

async function checkNamespace(guest: Child, isolation: Isolation): Promise<Row> {
  const { own, interfaces, direct } = await next(guest, "namespace");
  if (isolation.problem !== undefined) {
    say("guest", `process ${guest.pid}; this machine permits no network namespace (${isolation.problem}),`);
    say("", "so the guest could go around the monitor, and that it cannot is NOT shown here");
    return { what: "direct connection from the guest", refused: "not shown" };
  }
  check(own, "the guest is in the host's network namespace");
  check(
    interfaces.join() === "lo",
    `the guest's namespace has other interfaces than lo: ${interfaces.join()}`,
  );
  check(direct !== undefined, "the guest's direct connection got through: its namespace is not empty");
  say(
    "guest",
    `process ${guest.pid} in an empty network namespace (${isolation.prefix.slice(0, -1).join(" ")})`,
  );
  say("", `a direct connection to the file server fails there: ${direct}`);
  return { what: "direct connection from the guest", refused: direct };
}

async function checkFetch(guest: Child, seed: Buffer): Promise<Row> {
  const progress = new Progress(BODY_BYTES);
  let fetched: Extract<GuestEvent, { event: "fetched" }> | undefined;
  try {
    while (fetched === undefined) {
      const told = JSON.parse(await guest.line()) as GuestEvent;
      if (told.event === "progress") progress.update(told.bytes);
      else if (told.event === "fetched") fetched = told;
      else throw new Error(`expected the guest to tell of its fetch; it told of "${told.event}"`);
    }
  } finally {
    progress.stop();
  }
  // Made again from the seed, and hashed here: not what the server has counted along.
  const expected = sha256(bodyOf(seed, BODY_BYTES));
  const { bytes, ms, sha256: got } = fetched;
  check(got === expected, `the guest fetched other bytes: SHA-256 ${got} instead of ${expected}`);
  say("fetch", `${bytes / 1024 ** 2} MiB over HTTP, SHA-256 ${got.slice(0, 16)}... as it should be`);
  return { what: `guest fetched ${bytes / 1024 ** 2} MiB over HTTP`, bytes, ms };
}

async function checkServing(guest: Child): Promise<Row> {
  const { port } = await next(guest, "serving");
  const agent = new http.Agent({ maxSockets: Number.POSITIVE_INFINITY });
  const start = performance.now();
  const paths = Array.from({ length: REQUESTS }, (_, i) => `/page/${i}`);
  // A guest that fails meanwhile leaves requests without an answer.
  const guestFailed = guest.ended.then((status) => {
    throw new Error(`the guest ended while it served (${status}): ${guest.stderr.slice(-12).join("\n  ")}`);
  });
  guestFailed.catch(() => {});
  const pages = await Promise.race([Promise.all(paths.map((path) => get(port, path, agent))), guestFailed]);
  const ms = performance.now() - start;
  agent.destroy();
  for (const [i, page] of pages.entries()) {
    check(page.equals(pageOf(paths[i]!, PAGE_BYTES)), `the guest served something else at ${paths[i]}`);
  }
  guest.tell("that was all");
  const { atOnce } = await next(guest, "served");
  check(atOnce === REQUESTS, `at most ${atOnce} requests were in the guest at once, not ${REQUESTS}`);
  say(
    "serve",
    `${REQUESTS} requests from the host, all in the guest at once, each answered with its own page`,
  );
  const bytes = REQUESTS * PAGE_BYTES;
  return { what: `guest served ${REQUESTS} HTTP requests at once`, bytes, ms };
}

function get(port: number, path: string, agent: http.Agent): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port, path, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(Buffer.concat(chunks)));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

async function checkFiles(guest: Child, folder: string): Promise<Row[]> {
  const files = await next(guest, "files");
  const onDisk = sha256([readFileSync(join(folder, "scratch/large"))]);
  check(onDisk === files.sha256, "the file on the host's disk is another than the guest wrote");
  say("files", "made folders, wrote, listed, renamed and read back 101 files; the host's disk agrees");
  return [
    { what: "guest wrote 101 files", bytes: files.bytesWritten, ms: files.writeMs },
    { what: "guest read 101 files", bytes: files.bytesRead, ms: files.readMs },
  ];
}

async function checkRefusals(
  guest: Child,
  monitor: Child,
  trials: ReturnType<typeof forbidden>,
): Promise<Row> {
  const { outcomes } = await next(guest, "refusals");
  for (const [i, { what, request, code, rule }] of trials.entries()) {
    const outcome = outcomes[i]!;
    const got = `${outcome.code} by rule ${outcome.rule}: ${outcome.reason}`;
    check(
      outcome.code === code && outcome.rule === rule,
      `${what} (${nameOf(request)}) should be refused with ${code} by rule ${rule}; it ended with ${got}`,
    );
    // The monitor's audit log says the same as the guest was told.
    await monitor.stderrLine((line) => {
      if (!line.includes('"audit":"refused"')) return false;
      const entry = JSON.parse(line) as { what: string; rule: string; errno: string };
      return entry.what === nameOf(request) && entry.rule === rule && entry.errno === code;
    });
    say("refused", `${what}: rule ${rule}`);
    say("", outcome.reason);
  }
  return {
    what: "guest was refused what the policy forbids",
    refused: `${trials.length} of ${trials.length}`,
  };
}
