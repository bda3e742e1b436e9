// Minor versions, as a host keeps them: guests of 1.0, of 1.1 and of versions to come are served alike, and what this
// host lacks can be asked for (PROTOCOL.md section 22, VER-2).

import { type Fields, le32 } from "../../../packages/conformance/src/catalogue.ts";
import { Sb, State } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { freePort } from "../../support/tcp.ts";
import { recordEcho } from "../../support/unix.ts";
import { WireGuest, type WirePipe, word } from "../wire-guest.ts";
import { connect, ERROR, frameOf, inet, type MonitorCase, type MonitorWorld, of, REFUSED } from "./case.ts";
import { socketOf } from "./unix.ts";

const [ENOSYS, EPROTONOSUPPORT] = [38, 93];
/** Of no message, in any version. */
const UNKNOWN = 0x0bff;
const RINGS = 1 << 17;
const hexOf = (text: string): string => Buffer.from(text).toString("hex");

/** An echo, as any guest may ask for it. */
async function echoes(world: MonitorWorld, guest: WireGuest): Promise<void> {
  const { pipe } = await guest.open(1);
  await pipe.put(pattern(100));
  world.same("VER-2", await pipe.takeExactly(100), Buffer.from(pattern(100)), "an echo");
  pipe.finish();
}

/** Each protocol whose ring to the host takes frames: how it is opened, and what has to stand behind it. */
const FRAMED: readonly (readonly [
  name: string,
  protocol: number,
  open: (world: MonitorWorld) => readonly [body: Parameters<WireGuest["open"]>[1], fields: Fields],
])[] = [
  ["tcp-listen", 3, () => ["ListenRequest", { backlog: 1, address: inet(0) }]],
  ["file", 4, () => ["FileOpen", { flags: 1 | 2 | 4, mode: 0o600, path: "/data/versions" }]],
  ["fs", 6, () => [undefined, {}]],
  ["udp-bind", 8, () => ["UdpBindRequest", { flags: 0, address: inet(0) }]],
  ["resolve", 9, () => [undefined, {}]],
  ["unix-connect", 10, () => ["UnixConnectRequest", { kind: 2, timeoutMs: 0, path: "/run/records" }]],
  ["unix-listen", 11, () => ["UnixListenRequest", { kind: 1, mode: 0o600, backlog: 1, path: "/run/app" }]],
  ["mount", 12, () => ["MountRequest", { path: hexOf("/data") }]],
];

/** A request that the host does not know. */
async function unknown(world: MonitorWorld, pipe: WirePipe, where: string): Promise<void> {
  for (const bytes of [0, 300]) {
    const request = await pipe.send(UNKNOWN, pattern(bytes));
    const frame = await pipe.frame();
    world.same("FRM-7", [...frameOf(frame), frame.request], [ERROR, ENOSYS, request], where);
  }
}

export const versionCases: MonitorCase[] = [
  ...[0, 1, 2, 0xffff_ffff].map((minor) =>
    of(`a guest of 1.${minor} is served, and the host tells it its own version`, "VER-2", async (world) => {
      const guest = await WireGuest.connect(world.host.path);
      try {
        await guest.attach(minor);
        world.same("VER-2", guest.get(Sb.MINOR), 1, "the host's minor version");
        world.same("VER-2", word(guest.hello, 12), 1, "the same in the hello");
        await echoes(world, guest);
        // What is decided when a stream is opened does not go by the number that a guest told (VER-2).
        const { pipe, answer } = await guest.open(9);
        world.same("VER-2", answer.type, 0x8201, "a protocol of 1.1, for whoever asks");
        pipe.finish();
        world.same("VER-2", guest.get(Sb.HOST_STATE), State.READY, "host state");
      } finally {
        guest.vanish();
      }
    }),
  ),
  of("nothing of 1.1 comes to a guest of 1.0 that goes about its business", "VER-2", async (world) => {
    const { guest } = world;
    const { pipe } = await guest.open(6);
    const types = [
      await pipe.ask("Stat", { path: "/data" }),
      await pipe.ask("Statfs", { path: "/data" }),
      await pipe.ask("ReadDir", { path: "/data" }),
      await guest.control.ask("Ping", { data: "01" }),
    ].map(({ type }) => type);
    world.same("VER-2", types, [0x8003, 0x860c, 0x8603, 0x8105], "answers of 1.0");
    world.same("VER-2", [pipe.readable(), guest.control.readable()], [0, 0], "and nothing beside them");
    pipe.finish();
  }),
  ...FRAMED.map(([name, protocol, open]) =>
    of(`a request of a later version on ${name} is ENOSYS`, "VER-2 FRM-7", async (world) => {
      using _ = name === "unix-connect" ? recordEcho(socketOf(world, "records")) : undefined;
      const { pipe, answer } = await world.guest.open(protocol, ...open(world), RINGS);
      world.same("VER-2", answer.type, 0x8201, "Opened");
      await unknown(world, pipe, name);
      pipe.end();
      await pipe.takeAll();
      pipe.finish();
    }),
  ),
  of("a request of a later version on udp-connect is ENOSYS", "VER-2 FRM-7", async (world) => {
    const { pipe, answer } = await world.guest.open(7, "ConnectRequest", connect(await freePort()), RINGS);
    world.same("VER-2", answer.type, 0x8201, "Opened");
    await unknown(world, pipe, "udp-connect");
    pipe.finish();
  }),
  of(
    "protocols of a later version are EPROTONOSUPPORT, and Explain says so",
    "VER-2 STR-4 CTL-7",
    async (world) => {
      const { guest } = world;
      for (const protocol of [13, 0, 0xffff_ffff]) {
        const { pipe, answer } = await guest.open(protocol);
        world.same("STR-4", frameOf(answer), [REFUSED, EPROTONOSUPPORT], `protocol ${protocol}`);
        pipe.finish();
        const verdict = await guest.control.ask("Explain", { protocol, body: "" });
        world.same(
          "CTL-7",
          [...verdict.payload.subarray(0, 8)],
          [...le32(0), ...le32(0)],
          "not allowed, no rule",
        );
      }
      await echoes(world, guest);
    },
  ),
];
