// A guest that has put a part of a frame, and no more, on a stream of each protocol that takes frames: the reactor goes
// on to whoever else has work, and what comes behind the part is served as if it had come at once.

import { join } from "node:path";
import {
  ConnectRequest,
  ErrorReply,
  encodeFrame,
  fileMessages,
  type GuestPipe,
  inet,
  ListenRequest,
  mountMessages,
  Protocol,
  udpMessages,
  unixMessages,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { recordEcho } from "../support/unix.ts";

const hold = heldForAll();
let host: TestMonitor;
let guest: RawGuest;
let neighbour: RawGuest;

const { UnixConnectRequest, UnixKind, UnixListenRequest } = unixMessages;
const NOTHING = new Uint8Array(0);
/** Of sockets: each is somebody's until a worker has removed it. */
const NAMES = Array.from({ length: 9 }, (_, i) => `app-${i}`);
let used = 0;
const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

beforeAll(async () => {
  const folder = temporaryFolder("half-frames");
  hold(recordEcho(join(folder, "records")));
  const policy = `version: 1
connect:
  - { allow: [127.0.0.1], ports: ["1-65535"], protocols: udp }
listen:
  - { allow: [127.0.0.1], ports: [0], protocols: [tcp, udp] }
files:
  - { guest: /rw, host: ., access: rw }
sockets:
  - { guest: /run/records, host: ./records, access: connect }
${NAMES.map((name) => `  - { guest: /run/${name}, host: ./${name}, access: listen }`).join("\n")}
`;
  host = hold(await startMonitor(() => policyOf(policy, folder)));
  guest = hold(await RawGuest.attach(host.path));
  neighbour = hold(await RawGuest.attach(host.path));
});

/** Each with the body of its Open. */
const OPENS: readonly (readonly [keyof typeof Protocol, () => Uint8Array])[] = [
  ["TCP_LISTEN", () => ListenRequest.encode({ backlog: 0, address: inet(LOOPBACK, 0) })],
  [
    "FILE",
    () => {
      const { READ, WRITE, CREATE } = fileMessages.FileFlags;
      return fileMessages.FileOpen.encode({ flags: READ | WRITE | CREATE, mode: 0o600, path: "/rw/file" });
    },
  ],
  ["FS", () => NOTHING],
  ["UDP_CONNECT", () => ConnectRequest.encode({ host: "127.0.0.1", port: 9, timeoutMs: 0 })],
  ["UDP_BIND", () => udpMessages.UdpBindRequest.encode({ flags: 0, address: inet(LOOPBACK, 0) })],
  ["RESOLVE", () => NOTHING],
  [
    "UNIX_CONNECT",
    () => UnixConnectRequest.encode({ kind: UnixKind.SEQPACKET, timeoutMs: 0, path: "/run/records" }),
  ],
  [
    "UNIX_LISTEN",
    () =>
      UnixListenRequest.encode({
        kind: UnixKind.STREAM,
        mode: 0o600,
        backlog: 0,
        path: `/run/${NAMES[used++]}`,
      }),
  ],
  ["MOUNT", () => mountMessages.MountRequest.encode({ path: new TextEncoder().encode("/") })],
];

async function opened(protocol: number, body: Uint8Array): Promise<GuestPipe> {
  const pipe = await guest.newStream(128 * 1024);
  guest.sendOpen(pipe, protocol, body);
  await guest.opened(pipe);
  onTestFinished(() => guest.finish(pipe, "reset"));
  return pipe;
}

async function put(pipe: GuestPipe, bytes: Uint8Array): Promise<void> {
  await guest.write(pipe, bytes);
  guest.signal(pipe);
}

async function neighbourIsServed(): Promise<void> {
  const pipe = await neighbour.echo();
  await neighbour.write(pipe, Uint8Array.of(1, 2, 3));
  expect([...(await neighbour.readExactly(pipe, 3))]).toEqual([1, 2, 3]);
  neighbour.finish(pipe);
}

/** Of a type that no protocol knows, so that each answers it with ENOSYS. */
const FRAME = encodeFrame(0x7fff, 77, new Uint8Array(100).fill(5));
const PARTS = [1, 4, 11, 12, 13, FRAME.length - 1];

describe.each(OPENS)("%s", (name, body) => {
  test.each(PARTS)("after %i bytes of a frame others are served, and then the rest is", async (bytes) => {
    const pipe = await opened(Protocol[name], body());
    await put(pipe, FRAME.subarray(0, bytes));
    await neighbourIsServed();
    // Looked at once more, with nothing new.
    guest.signal(pipe);
    await neighbourIsServed();
    await put(pipe, FRAME.subarray(bytes));
    const { type, requestId, payload } = await guest.frame(pipe);
    expect([type, requestId]).toEqual([ErrorReply.type, 77]);
    expect(ErrorReply.decode(payload).errno).toBe(Errno.ENOSYS);
  });

  test.each(["end", "reset", "stopReading"] as const)("a part, and then: %s", async (how) => {
    const pipe = await opened(Protocol[name], body());
    await put(pipe, FRAME.subarray(0, 20));
    guest[how](pipe);
    await neighbourIsServed();
    guest.signal(pipe);
    await neighbourIsServed();
  });
});
