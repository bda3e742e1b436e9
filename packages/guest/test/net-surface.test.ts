// Whoever knows net.Socket and net.Server finds each of their public members here, or the reason why not.

import * as net from "node:net";
import { Guest, GuestServer, GuestSocket } from "@ringway/guest";
import { afterEach, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";

/** What is not there, and why; docs/guest.md says the same. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  autoSelectFamilyAttemptedAddresses: "the host tries a name's addresses",
  setTypeOfService: "the host's sockets have the host's settings",
  getTypeOfService: "the host's sockets have the host's settings",
  dropMaxConnection: "a connection beyond maxConnections is always closed: no other process could take it",
};

let guest: Guest;
afterEach(() => guest.close());

async function attached(): Promise<Guest> {
  const host = new FakeHost();
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
  return guest;
}

/** Public: no underscore, and no symbol but those that are well known. */
function members(of: object, prototype: object): string[] {
  const isPublic = (key: string | symbol): boolean =>
    typeof key === "string" ? !key.startsWith("_") : /^Symbol\((Symbol\.|nodejs\.)/.test(String(key));
  return [...new Set([...Reflect.ownKeys(prototype), ...Reflect.ownKeys(of)])].filter(isPublic).map(String);
}

function missing(theirs: string[], ours: object): string[] {
  const keys = new Set<string>();
  for (let at: object | null = ours; at !== null; at = Object.getPrototypeOf(at)) {
    for (const key of Reflect.ownKeys(at)) keys.add(String(key));
  }
  return theirs.filter((key) => !keys.has(key) && !(key in EXCEPTIONS));
}

it("a socket has each public member of net.Socket", async () => {
  const socket = (await attached()).createSocket();
  expect(socket).toBeInstanceOf(GuestSocket);
  const theirs = members(new net.Socket().setTimeout(0), net.Socket.prototype);
  expect(theirs).toContain("connect");
  expect(missing(theirs, socket)).toEqual([]);
});

it("a server has each public member of net.Server", async () => {
  const server = (await attached()).createServer();
  expect(server).toBeInstanceOf(GuestServer);
  const theirs = members(new net.Server(), net.Server.prototype);
  expect(theirs).toContain("listen");
  expect(missing(theirs, server)).toEqual([]);
});

it("a guest has what node:net makes sockets and servers with", async () => {
  await attached();
  for (const name of ["connect", "createConnection", "createServer"]) expect(guest).toHaveProperty(name);
});
