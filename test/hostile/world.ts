// What the hostile guest must not reach, and the monitor's process as the kernel shows it: folders, servers,
// descriptors, sockets, time and memory.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bind, closeFd, localAddress, udpSocket } from "@ringway/linux";
import { recordEcho, unixServer } from "../support/unix.ts";
import type { Targets } from "./frames.ts";

export interface World extends AsyncDisposable {
  readonly folder: string;
  readonly socket: string;
  readonly policyFile: string;
  readonly targets: Targets;
  /** Of an echo server that no hostile guest is told of. */
  readonly quietPort: number;
  /** What is wrong by now: a connection to a forbidden server, a file that is not as it was. */
  harm(): string[];
}

const FORBIDDEN_SERVERS = 3;
const LISTEN_PORTS = 8;

async function listening(server: Server, host: string): Promise<number> {
  server.listen(0, host);
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}

/** Its port; 0 where somebody has that one already. */
async function bound(socket: Socket, port = 0): Promise<number> {
  socket.bind(port, "127.0.0.1");
  try {
    await once(socket, "listening");
    return socket.address().port;
  } catch {
    return 0;
  }
}

/** Ports that nobody has now, below those that the kernel gives out by itself. */
async function freeRange(count: number): Promise<number> {
  for (let first = 20_000 + (process.pid % 500) * 16; ; first += count) {
    const servers = Array.from({ length: count }, () => createServer());
    try {
      for (const [index, server] of servers.entries()) {
        server.listen(first + index, "127.0.0.1");
        await once(server, "listening");
      }
      return first;
    } catch {
      // One is taken: the next ones.
    } finally {
      for (const server of servers) server.close();
    }
  }
}

/** Entries of the folder that floods read, names that the policy denies, bytes of what GetArgs gives. */
const MANY_ENTRIES = 20_000;
const DENIED_NAMES = 5000;
const ARGS_BYTES = 60_000;
/** Below /rw, and of any folder there by `self`: as long as a path may be. */
export const DEEP: string = Array(2000).fill("n").join("/");
/** A file below /ro, of which a line in a log is 12 KB. */
export const LONG: string = `${`${"\u0001".repeat(255)}/`.repeat(8)}file`;

/**
 * `flooded`: with what the mixes need (mixes.ts), and limits at which they are not over at once. `audited`: each line
 * of the audit must be written, and guests may cause far more than that takes.
 */
export async function makeWorld({ flooded = false, audited = false } = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "ringway-hostile-"));
  for (const name of ["rw", "ro", "many", "outside", "run"]) mkdirSync(join(folder, name));
  const entries = flooded ? MANY_ENTRIES : 10;
  for (let i = 0; i < entries; i++) writeFileSync(join(folder, "many", `name-${i}`), "");
  mkdirSync(join(folder, "rw", "deep", "er"), { recursive: true });
  if (flooded) {
    mkdirSync(join(folder, "rw", DEEP), { recursive: true });
    symlinkSync(".", join(folder, "rw", "self"));
    mkdirSync(join(folder, "ro", LONG, ".."), { recursive: true });
    writeFileSync(join(folder, "ro", LONG), "");
  }
  const outside = join(folder, "outside");
  writeFileSync(join(outside, "secret"), "nobody may read this");
  writeFileSync(join(folder, "ro", "fixed"), Buffer.alloc(300_000, 7));
  for (const name of ["a", "b"]) writeFileSync(join(folder, "ro", name), name.repeat(5000));
  symlinkSync(outside, join(folder, "rw", "escape"));
  symlinkSync("../outside", join(folder, "rw", "climb"));
  symlinkSync("../../outside/secret", join(folder, "ro", "link"));

  const sockets = new Set<{ destroy(): void }>();
  const echo = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  const echoPort = await listening(echo, "127.0.0.1");
  const quiet = spawn(process.execPath, [fileURLToPath(new URL("./echo-child.mjs", import.meta.url))], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const quietPort = Number(String((await once(quiet.stdout, "data"))[0]));
  const deaf = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  });
  const deafPort = await listening(deaf, "127.0.0.1");
  const reached: string[] = [];
  const udp = createSocket("udp4", (data, from) => udp.send(data, from.port, from.address));
  udp.on("error", () => {});
  const udpPort = await bound(udp);
  const deafUdp = udpSocket(4);
  bind(deafUdp, { family: 4, port: 0, address: Uint8Array.of(127, 0, 0, 1) });
  const deafUdpPort = localAddress(deafUdp).port;
  const forbidden: Server[] = [];
  const forbiddenPorts: number[] = [];
  const forbiddenUdp: Socket[] = [];
  for (const host of ["127.0.0.1", "0.0.0.0", "127.0.0.1"].slice(0, FORBIDDEN_SERVERS)) {
    const server = createServer((socket) => {
      reached.push(`a forbidden server was reached on port ${socket.localPort}`);
      socket.destroy();
    });
    forbidden.push(server);
    forbiddenPorts.push(await listening(server, host));
    const datagrams = createSocket("udp4", () => reached.push("a forbidden socket got a datagram"));
    datagrams.on("error", () => {});
    forbiddenUdp.push(datagrams);
    await bound(datagrams, forbiddenPorts.at(-1)!);
  }
  const inRun = (name: string): string => join(folder, "run", name);
  const unixEcho = await unixServer(inRun("echo"), (socket) => void socket.pipe(socket));
  const unixForbidden = await unixServer(inRun("forbidden"), () => {
    reached.push("a forbidden Unix socket was reached");
  });
  symlinkSync("forbidden", inRun("linked"));
  const records = recordEcho(inRun("records"));
  const listenPort = await freeRange(LISTEN_PORTS);
  const last = listenPort + LISTEN_PORTS - 1;
  const policyFile = join(folder, "policy.yaml");
  const denied = Array.from({ length: flooded ? DENIED_NAMES : 10 }, (_, i) => `denied-${i}.example`);
  const limits = flooded
    ? "{ regionBytes: 128MiB, streams: 4096, streamBytes: 256KiB, requests: 1024, auditBytes: 64MiB }"
    : "{ regionBytes: 32MiB, streams: 200, streamBytes: 256KiB, accepts: 64, openFiles: 32, fileBytesWritten: 256MiB, requests: 64 }";
  writeFileSync(
    policyFile,
    `version: 1${audited ? "\naudit: required" : ""}
guest: { argv: [${Array.from({ length: flooded ? ARGS_BYTES / 1000 : 1 }, () => "x".repeat(990)).join(", ")}] }
connect:
  - { id: denied, deny: [${denied.join(", ")}] }
  - { id: echo, allow: [127.0.0.1], ports: [${echoPort}, ${quietPort}${flooded ? `, ${deafPort}` : ""}, ${listenPort}-${last}] }
  - { id: by-name, allow: [localhost, "*.silent.test"], ports: [${echoPort}], resolvesTo: [127.0.0.0/8] }
  - { id: udp, allow: [127.0.0.1], ports: [${udpPort}${flooded ? `, ${deafUdpPort}` : ""}], protocols: udp }
listen:
  - { id: few-datagrams, allow: [127.0.0.1], ports: [0, ${listenPort}-${last}], protocols: udp }
  - { id: few, allow: [127.0.0.1], ports: [${listenPort}-${last}] }
files:
  - { id: rw, guest: /rw, host: ./rw, access: rw }
  - { id: ro, guest: /ro, host: ./ro, access: ro }
  - { id: many, guest: /many, host: ./many, access: ro }
sockets:
  - { id: unix-echo, guest: /run/echo, host: ./run/echo, access: connect }
  - { id: unix-records, guest: /run/records, host: ./run/records, access: connect }
  - { id: unix-linked, guest: /run/linked, host: ./run/linked, access: connect }
  - { id: unix-none, guest: /run/none, host: ./run/none, access: connect }
  - { id: unix-app, guest: /run/app, host: ./run/app, access: connect }
  - { id: unix-own, guest: /run/app, host: ./run/app, access: listen }
limits: ${limits}
timeouts: { connectMs: 300, resolveMs: 300 }
`,
  );
  const targets = {
    echoPort,
    deafPort,
    udpPort,
    deafUdpPort,
    forbiddenPorts,
    listenPort,
    listenPorts: LISTEN_PORTS,
    outside,
  };
  const print = (): string => ["ro", "outside"].map((name) => fingerprint(join(folder, name))).join();
  const before = print();
  const beside = readdirSync(folder).sort().join();

  return {
    folder,
    socket: join(folder, "attach.sock"),
    policyFile,
    targets,
    quietPort,
    harm() {
      const harm = [...reached];
      if (print() !== before) harm.push("a folder that no guest may write has changed");
      const now = readdirSync(folder).filter((name) => !name.endsWith(".sock"));
      if (now.sort().join() !== beside) harm.push(`beside the roots there is ${now}`);
      return harm;
    },
    async [Symbol.asyncDispose]() {
      quiet.kill("SIGKILL");
      for (const server of [echo, deaf, ...forbidden]) server.close();
      records[Symbol.dispose]();
      for (const server of [unixEcho, unixForbidden]) await server[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      for (const socket of [udp, ...forbiddenUdp]) socket.close();
      closeFd(deafUdp);
      // Not rmSync: the hostile guest nests folders deeper than its recursion goes.
      spawnSync("rm", ["-rf", folder]);
    },
  };
}

/** Names, kinds, modes, times of change and contents of everything below a folder. */
function fingerprint(folder: string): string {
  const hash = createHash("sha256");
  const walk = (path: string): void => {
    const { mode, mtimeMs, size, ino } = lstatSync(path);
    hash.update(`${path} ${mode} ${mtimeMs} ${size} ${ino}\n`);
    if ((mode & 0o170000) === 0o040000) for (const name of readdirSync(path).sort()) walk(join(path, name));
    else if ((mode & 0o170000) === 0o120000) hash.update(readlinkSync(path));
    else hash.update(readFileSync(path));
  };
  walk(folder);
  return hash.digest("hex");
}

// ── A process, from outside ────────────────────────────────────────────────────────────────────────────────────────

/** Seconds of processor time that it has used. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export function residentMib(pid: number): number {
  return (Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096) / 2 ** 20;
}

export interface Holdings {
  readonly descriptors: number;
  /** What it has open and may not have. */
  readonly wrong: string[];
}

/**
 * Every descriptor of the monitor, judged: no file outside the roots, no socket to or at a port that is not allowed.
 */
export function holdings(pid: number, { folder, targets, quietPort }: World): Holdings {
  const sockets = tcpSockets(pid);
  const wrong: string[] = [];
  const names = readdirSync(`/proc/${pid}/fd`);
  const ours = (port: number): boolean =>
    port >= targets.listenPort && port < targets.listenPort + targets.listenPorts;
  for (const name of names) {
    let link: string;
    try {
      link = readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      continue;
    }
    const path = link.replace(/ \(deleted\)$/, "");
    if (
      path.startsWith(folder) &&
      !["/rw", "/ro", "/many", "/run"].some((root) => path.startsWith(folder + root))
    )
      wrong.push(link);
    if (path.startsWith("/etc") || (path.startsWith("/proc") && /mem|environ/.test(path))) wrong.push(link);
    const socket = sockets.get(link);
    if (socket === undefined) continue;
    const { local, remote, listens } = socket;
    const fine = listens
      ? ours(local)
      : [targets.echoPort, quietPort, 0].includes(remote) || ours(remote) || ours(local);
    if (!fine) wrong.push(`a socket ${listens ? "listens at" : "leads to"} ${listens ? local : remote}`);
  }
  return { descriptors: names.length, wrong };
}

function tcpSockets(pid: number): Map<string, { local: number; remote: number; listens: boolean }> {
  const found = new Map<string, { local: number; remote: number; listens: boolean }>();
  for (const table of ["tcp", "tcp6"]) {
    const file = `/proc/${pid}/net/${table}`;
    if (!existsSync(file)) continue;
    for (const line of readFileSync(file, "utf8").split("\n").slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields.length < 10) continue;
      const port = (field: string): number => Number.parseInt(field.split(":")[1]!, 16);
      const socket = { local: port(fields[1]!), remote: port(fields[2]!), listens: fields[3] === "0A" };
      found.set(`socket:[${fields[9]}]`, socket);
    }
  }
  return found;
}
