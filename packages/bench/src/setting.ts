// What is there to be measured: servers, the monitor, the C reference relay, socat, a cached file. Everything stays up
// for the whole run; measuring one peer after the other costs no start of another.
//
//   guest or plain ──▶ relay ──▶ server        all on 127.0.0.1 and on Unix sockets in the run's own folder

import { randomFillSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { closeSync, fsyncSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Children, until } from "./children.ts";
import { isListenedAt, isListenedOn } from "./proc.ts";
import { findProgram, type Program, type Programs } from "./programs.ts";

export const SERVERS = ["sink", "source", "echo", "once"] as const;
export type ServerName = (typeof SERVERS)[number];
export const UNIX_SERVERS = ["sink", "source"] as const;
export type UnixServerName = (typeof UNIX_SERVERS)[number];

/** What is made of conversations of a monitor: followed-child.ts. */
export const FOLLOWED = ["nobody", "drop", "backpressure"] as const;

/** Something between a guest and a server. */
export interface Relay {
  readonly pid: number;
  /** Where guests or clients find it: a path, or a port: socat's for UDP, and those of hubs. */
  readonly socket: string;
  /** It serves each connection in a child. */
  readonly forks: boolean;
}

export interface Setting {
  readonly programs: Programs | undefined;
  readonly ports: Readonly<Record<ServerName, number>>;
  /** Of the UDP server, which is in C. */
  readonly udpPort: number | undefined;
  /** Of the servers on Unix sockets, as the host and as the guest name them. */
  readonly unixSockets: Readonly<Record<UnixServerName, { readonly host: string; readonly guest: string }>>;
  /**
   * Relays by their name: "ringway", "ringway asleep", "c", "c asleep", "socat sink" and so on, "socat unix sink",
   * "socat udp", "cat sink", "cat source", "cat hub", "ncat hub", "followed nobody", "followed drop" and
   * "followed backpressure".
   */
  readonly relays: ReadonlyMap<string, Relay>;
  /** A cached file, as the host and as the guest name it. */
  readonly file: { readonly host: string; readonly guest: string; readonly bytes: number };
  readonly policy: string;
  readonly leftOut: string[];
  readonly failures: string[];
}

export interface SettingOptions {
  /** Starts the command: its arguments follow. */
  readonly ringway: readonly string[];
  readonly programs: Programs | undefined;
  readonly fileBytes: number;
  readonly leftOut: string[];
}

/** Of the relays that poll; the others sleep at once. */
export const BUSY_POLL_US = 50;
/** socat's buffer. Its default of 8 KiB would make a poor peer. */
const SOCAT_BYTES = 262_144;
const REGION_BYTES: number = 512 * 1024 * 1024;

/** A script of this folder, as compiled. */
export function script(name: string): string {
  return fileURLToPath(new URL(`./${name}.js`, import.meta.url));
}

export async function prepare(children: Children, options: SettingOptions): Promise<Setting> {
  const { ringway, programs, leftOut } = options;
  const failures: string[] = [];
  const relays = new Map<string, Relay>();
  // In a folder of its own: no root may hold the monitor's policy and sockets.
  const root = join(children.folder, "root");
  mkdirSync(root);
  const file = { host: join(root, "file"), guest: "/bench/file", bytes: options.fileBytes };
  writeFile(file.host, file.bytes);
  const policy = join(children.folder, "policy.yaml");
  const unixSockets = socketsIn(children.folder);
  writeFileSync(policy, JSON.stringify(policyFor(root, unixSockets)));
  const ports = await startServers(children, programs);
  const udpPort =
    programs && Number(await children.start([programs.udpserver], "server of datagrams").line());
  if (programs !== undefined) {
    for (const server of UNIX_SERVERS) {
      const command = [programs.server, "--unix", unixSockets[server].host, server];
      await children.start(command, `server ${server}`).line();
    }
  }

  const start = async (
    name: string,
    command: readonly string[],
    socket: string,
    forks = false,
  ): Promise<void> => {
    const child = children.start(command, name);
    const isThere = (): boolean =>
      socket.startsWith("/") ? isListenedOn(socket) : isListenedAt(Number(socket));
    try {
      await until(isThere, `starting ${name}`, child);
      relays.set(name, { pid: child.pid, socket, forks });
    } catch (error) {
      child.kill();
      failures.push(error instanceof Error ? error.message : String(error));
    }
  };
  const socket = (name: string): string => join(children.folder, `${name.replaceAll(" ", "-")}.sock`);
  for (const [suffix, poll] of [
    ["", BUSY_POLL_US],
    [" asleep", 0],
  ] as const) {
    const pollOption = ["--busy-poll-us", String(poll)];
    const name = `ringway${suffix}`;
    const monitor = [...ringway, "monitor", "--policy", policy, "--listen", socket(name)];
    await start(name, [...monitor, ...pollOption], socket(name));
    if (programs === undefined) continue;
    const c = `c${suffix}`;
    const region = ["--region-bytes", String(REGION_BYTES)];
    await start(c, [programs.relay, "--listen", socket(c), ...region, ...pollOption], socket(c));
  }
  for (const followed of programs === undefined ? [] : FOLLOWED) {
    const at = socket(`followed ${followed}`);
    const command = [process.execPath, script("followed-child"), policy, at, followed];
    await start(`followed ${followed}`, command, at);
  }
  await startCats(start, { ringway, ports, socket });
  await startHubs(start, ringway, leftOut);
  const socat = findProgram("socat");
  if (socat === undefined)
    leftOut.push("socat is not installed: its columns and the ratios against it are left out");
  if (socat !== undefined && programs !== undefined) {
    for (const server of SERVERS) {
      const name = `socat ${server}`;
      const from = `UNIX-LISTEN:${socket(name)},fork,backlog=512`;
      const to = `TCP:127.0.0.1:${ports[server]},nodelay`;
      await start(name, [socat, "-b", String(SOCAT_BYTES), from, to], socket(name), true);
    }
    for (const server of UNIX_SERVERS) {
      const name = `socat unix ${server}`;
      const from = `UNIX-LISTEN:${socket(name)},fork,backlog=512`;
      const to = `UNIX-CONNECT:${unixSockets[server].host}`;
      await start(name, [socat, "-b", String(SOCAT_BYTES), from, to], socket(name), true);
    }
    relays.set("socat udp", await startSocatUdp(children, socat, udpPort!));
  }
  return { programs, ports, udpPort, unixSockets, relays, file, policy, leftOut, failures };
}

interface Cats {
  readonly ringway: readonly string[];
  readonly ports: Readonly<Record<ServerName, number>>;
  socket(name: string): string;
}

type Start = (name: string, command: readonly string[], socket: string) => Promise<void>;

/** Channels of `ringway cat`. */
async function startCats(start: Start, { ringway, ports, socket }: Cats): Promise<void> {
  const channels = [...ringway, "cat", "-f", "channels", "--pair", "listen:connect"];
  for (const server of ["sink", "source"] as const) {
    const at = socket(`cat ${server}`);
    await start(`cat ${server}`, [...channels, "-L", at, `127.0.0.1:${ports[server]}`], at);
  }
}

/** Of `ringway cat`, and of ncat, which has none at a Unix socket: both over TCP. */
async function startHubs(start: Start, ringway: readonly string[], leftOut: string[]): Promise<void> {
  const port = await freeTcpPort();
  await start("cat hub", [...ringway, "cat", "-f", "hub", "-L", `127.0.0.1:${port}`], port);
  const ncat = findProgram("ncat");
  if (ncat === undefined) {
    leftOut.push("ncat is not installed: its hub and the ratio against it are left out");
    return;
  }
  const ncatPort = await freeTcpPort();
  await start("ncat hub", [ncat, "--broker", "-l", "127.0.0.1", ncatPort], ncatPort);
}

async function startServers(
  children: Children,
  programs: Programs | undefined,
): Promise<Record<ServerName, number>> {
  const ports: Partial<Record<ServerName, number>> = {};
  for (const mode of SERVERS) {
    const program: Program = "server";
    const command = programs ? [programs[program]] : [process.execPath, script("server-child")];
    ports[mode] = Number(await children.start([...command, mode], `server ${mode}`).line());
  }
  return ports as Record<ServerName, number>;
}

/** One child for each client, until it sends an empty datagram. */
async function startSocatUdp(children: Children, socat: string, udpPort: number): Promise<Relay> {
  const port = await freeUdpPort();
  const from = `UDP4-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr,null-eof`;
  const command = [socat, "-b", String(SOCAT_BYTES), "-t", "0.05", from, `UDP4:127.0.0.1:${udpPort}`];
  const { pid } = children.start(command, "socat udp");
  return { pid, socket: String(port), forks: true };
}

async function freeTcpPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return String(port);
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

function socketsIn(folder: string): Setting["unixSockets"] {
  const parent = join(folder, "sockets");
  mkdirSync(parent);
  const socket = (server: UnixServerName) => ({ host: join(parent, server), guest: `/bench/${server}.sock` });
  return { sink: socket("sink"), source: socket("source") };
}

function policyFor(root: string, sockets: Setting["unixSockets"]): object {
  return {
    version: 1,
    connect: [{ id: "loopback", allow: "127.0.0.1", protocols: ["tcp", "udp"] }],
    sockets: Object.values(sockets).map((socket) => ({ ...socket, access: "connect" })),
    files: [{ id: "bench", guest: "/bench", host: root, access: "ro" }],
    limits: { streams: 20_000, regionBytes: REGION_BYTES, streamBytes: "4MiB" },
  };
}

/** Written through to the disk, so that no write-back disturbs what is measured, and in the page cache afterwards. */
function writeFile(path: string, bytes: number): void {
  const part = randomFillSync(Buffer.alloc(1024 * 1024));
  const fd = openSync(path, "wx", 0o600);
  for (let written = 0; written < bytes; written += part.length) writeSync(fd, part);
  fsyncSync(fd);
  closeSync(fd);
}
