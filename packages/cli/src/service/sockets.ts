// The sockets that a service manager has made for the monitor and listens on (sd_listen_fds(3)): descriptors from 3 on,
// LISTEN_FDS of them, for the process LISTEN_PID. Each is the attach socket, or the admin socket, whose option has its
// path: so the same options serve with and without a service manager. Its name (LISTEN_FDNAMES) is for people.
//
// Invariant: one that no option names, or that is of another type, is a mistake that is told: whoever connects there
// would wait for ever.

import { resolve } from "node:path";
import { type InheritedSocket, inheritedSocket } from "@ringway/linux";
import type { MonitorCommandOptions } from "../config/options.ts";
import { Failure } from "../errors.ts";

const FIRST_FD = 3;
/** More than a monitor has sockets. */
const FDS_MAX = 100_000;

const DIRECTIVE = { seqpacket: "ListenSequentialPacket", stream: "ListenStream" } as const;

/** Those of this process; the environment says nothing of them from then on. Throws Failure. */
export function inheritedSockets(options: MonitorCommandOptions): InheritedSocket[] {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = "" } = process.env;
  // A program that this one starts has none.
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete process.env[name];
  if (LISTEN_PID !== String(process.pid) || LISTEN_FDS === undefined) return [];
  const count = Number(LISTEN_FDS);
  if (!Number.isInteger(count) || count < 0 || count > FDS_MAX) {
    throw new Failure(`LISTEN_FDS: expected a number of sockets, found "${LISTEN_FDS}"`);
  }
  const names = LISTEN_FDNAMES.split(":");
  const wanted = wantedTypes(options);
  return Array.from({ length: count }, (_, i) => {
    const fd = FIRST_FD + i;
    const what = `the service manager's socket ${names[i] || fd}`;
    const socket = inheritedSocket(fd);
    if (socket === undefined) throw new Failure(`${what} is no Unix socket with a path that takes guests`);
    return requireWanted(socket, what, wanted);
  });
}

function wantedTypes({ listen, guests, admin }: MonitorCommandOptions): Map<string, InheritedSocket["type"]> {
  const attach = [...(listen === undefined ? [] : [listen]), ...guests.map((guest) => guest.listen)];
  const wanted = new Map(attach.map((path) => [resolve(path), "seqpacket" as InheritedSocket["type"]]));
  if (admin !== undefined) wanted.set(resolve(admin.socket), "stream");
  return wanted;
}

function requireWanted(
  socket: InheritedSocket,
  what: string,
  wanted: ReadonlyMap<string, InheritedSocket["type"]>,
): InheritedSocket {
  const { path, type } = socket;
  const asked = wanted.get(path);
  if (asked === undefined) {
    const known = [...wanted.keys()].join(", ") || "none";
    throw new Failure(`${what} is at ${path}, where no option has one (--listen, --admin: ${known})`);
  }
  if (asked !== type) {
    throw new Failure(`${what} at ${path} is of another type: make it by ${DIRECTIVE[asked]}=${path}`);
  }
  return socket;
}
