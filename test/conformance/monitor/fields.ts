// Requests whose fields have the right type and the wrong value, row by row of PROTOCOL.md section 23.1 (ERR-6).

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode, type Fields, le32, le64 } from "../../../packages/conformance/src/catalogue.ts";
import { P } from "../../../packages/conformance/src/host/layout.ts";
import type { HostFrame } from "../../../packages/conformance/src/host/pipe.ts";
import { until } from "../../support/wait.ts";
import type { WirePipe } from "../wire-guest.ts";
import {
  connect,
  ERROR,
  fatal,
  frameOf,
  inet,
  type MonitorCase,
  type MonitorWorld,
  of,
  REFUSED,
} from "./case.ts";

const [EPERM, EBADF, EACCES, EINVAL, ENAMETOOLONG] = [1, 9, 13, 22, 36];
const READ = 1;
const WRITE = 2;
const CREATE = 4;

const file = (flags: number, path = "/data/fields", mode = 0o644): Fields => ({ flags, mode, path });
const stream = (change: Fields): Fields => ({
  ...{ direction: 2, flags: WRITE | CREATE, mode: 0o644, offset: 0, length: 0, path: "/data/fields" },
  ...change,
});
const time = (nanoseconds: number): Fields => ({ seconds: 0, nanoseconds });
const long = `/data/${"n".repeat(256)}`;

type Row = readonly [
  what: string,
  protocol: number,
  body: "ConnectRequest" | "FileOpen" | "FileStreamOpen",
  Fields,
];

/** Opens that are refused, with the errno. */
const REFUSALS: readonly (readonly [errno: number, Row])[] = [
  [EINVAL, ["port 0", 2, "ConnectRequest", connect(0)]],
  [EINVAL, ["port 65536", 2, "ConnectRequest", connect(65_536)]],
  [EINVAL, ["port 2^32 - 1", 2, "ConnectRequest", connect(0xffff_ffff)]],
  [EINVAL, ["a host that is no name", 2, "ConnectRequest", connect(80, "a b")]],
  [EINVAL, ["an empty host", 2, "ConnectRequest", connect(80, "")]],
  [EINVAL, ["no flag", 4, "FileOpen", file(0)]],
  [EINVAL, ["a flag that nobody knows", 4, "FileOpen", file(READ | 64)]],
  [EINVAL, ["mode 0o1000", 4, "FileOpen", file(WRITE | CREATE, "/data/fields", 0o1000)]],
  [EINVAL, ["mode 0o4755 of a file that is there", 4, "FileOpen", file(READ, "/data/fields", 0o4755)]],
  [EINVAL, ["a relative path", 4, "FileOpen", file(READ, "data/fields")]],
  [EACCES, ["..", 4, "FileOpen", file(READ, "/data/../data/fields")]],
  [ENAMETOOLONG, ["a component of 256 bytes", 4, "FileOpen", file(READ, long)]],
  [EINVAL, ["direction 0", 5, "FileStreamOpen", stream({ direction: 0 })]],
  [EINVAL, ["direction 3", 5, "FileStreamOpen", stream({ direction: 3 })]],
  [EINVAL, ["mode 0o2644", 5, "FileStreamOpen", stream({ mode: 0o2644 })]],
  [EINVAL, ["READ for a write", 5, "FileStreamOpen", stream({ flags: READ })]],
  [EINVAL, ["APPEND with an offset", 5, "FileStreamOpen", stream({ flags: WRITE | 16, offset: 1 })]],
];

/** Requests on a file that was opened with these flags, and the errno of the answer, 0 for none. */
const FILE_ERRORS: readonly (readonly [what: string, flags: number, name: string, Fields, errno: number])[] =
  [
    ["whence 3", READ, "Seek", { whence: 3, offset: 0 }, EINVAL],
    ["whence 2^32 - 1", READ, "Seek", { whence: 0xffff_ffff, offset: 0 }, EINVAL],
    ["a position below 0", READ, "Seek", { whence: 0, offset: -1 }, EINVAL],
    ["a position over 2^53 - 1", READ, "Seek", { whence: 2, offset: Number.MAX_SAFE_INTEGER }, EINVAL],
    ["a read of a file opened to write", WRITE, "Read", { bytes: 5 }, EBADF],
    ["a write of a file opened to read", READ, "Write", { data: "00" }, EBADF],
    ["a Truncate of a file opened to read", READ, "Truncate", { bytes: 0 }, EINVAL],
    ["a read of 0 bytes", READ, "Read", { bytes: 0 }, 0],
    ["a read of 2^32 - 1 bytes", READ, "Read", { bytes: 0xffff_ffff }, 0],
  ];

const FILE_CLAUSES: Readonly<Record<string, string>> = {
  ...{ Seek: "FILE-6", Write: "FILE-5", Truncate: "FILE-7", Read: "FILE-4" },
};

const FS_ERRORS: readonly (readonly [what: string, name: string, Fields, errno: number])[] = [
  ["mode 0o1755 of a folder", "Mkdir", { mode: 0o1755, parents: false, path: "/data/folder" }, EPERM],
  ["mode 0o4755", "Chmod", { mode: 0o4755, path: "/data/fields" }, EPERM],
  ["mode 2^31", "Chmod", { mode: 2 ** 31, path: "/data/fields" }, EPERM],
  [
    "10^9 nanoseconds accessed",
    "Utimes",
    { accessed: time(1e9), modified: time(0), path: "/data/fields" },
    EINVAL,
  ],
  [
    "2^30 nanoseconds modified",
    "Utimes",
    { accessed: time(0), modified: time(2 ** 30), path: "/data/fields" },
    EINVAL,
  ],
  [
    "999,999,999 nanoseconds",
    "Utimes",
    { accessed: time(999_999_999), modified: time(0), path: "/data/fields" },
    0,
  ],
  ["an empty path", "Stat", { path: "" }, EINVAL],
  ["..", "Stat", { path: "/data/.." }, EACCES],
  ["a component of 256 bytes", "Lstat", { path: long }, ENAMETOOLONG],
];

const errnoOf = (frame: HostFrame): number =>
  frame.type === ERROR || frame.type === REFUSED ? frameOf(frame)[1] : 0;

async function opened(world: MonitorWorld, protocol: number, flags?: number): Promise<WirePipe> {
  writeFileSync(join(world.data, "fields"), "12345");
  if (flags === undefined) return (await world.guest.open(protocol)).pipe;
  return (await world.guest.open(protocol, "FileOpen", file(flags))).pipe;
}

/** A request that is a violation resets its stream. */
function violation(what: string, protocol: number, type: number, payload: readonly number[]): MonitorCase {
  return of(`fields: ${what} resets the stream`, "ERR-6 STR-8", async (world) => {
    const pipe = await opened(world, protocol, protocol === 4 ? READ : undefined);
    await pipe.send(type, payload);
    const reset = await pipe.wasReset();
    world.check("ERR-6", reset, "a reset");
    world.same("STR-8", [pipe.get(P.TO_GUEST_END), pipe.get(P.TO_HOST_STOPPED)], [2, 1], "closed words");
  });
}

/** An Open whose body is a violation. */
function badBody(what: string, protocol: number, body: readonly number[]): MonitorCase {
  return of(`fields: ${what} resets the stream`, "ERR-6 FRM-6", async (world) => {
    const pipe = await world.guest.opening(protocol, Uint8Array.from(body));
    const reset = await pipe.wasReset();
    world.check("ERR-6", reset, "a reset");
    world.check("FRM-6", reset, "a reset");
  });
}

const explain = (protocol: number, body: Iterable<number>): number[] => [
  ...encode("Explain", { protocol, body: "" }),
  ...body,
];

export const fieldCases: MonitorCase[] = [
  of("fields: Opens that are refused", "ERR-6 TCP-1 FILE-2 FST-1 FILE-1", async (world) => {
    writeFileSync(join(world.data, "fields"), "12345");
    const clauses = { ConnectRequest: "TCP-1", FileOpen: "FILE-2", FileStreamOpen: "FST-1" };
    for (const [errno, [what, protocol, body, fields]] of REFUSALS) {
      const { pipe, answer } = await world.guest.open(protocol, body, fields);
      world.same("ERR-6", frameOf(answer), [REFUSED, errno], what);
      const clause =
        typeof fields.path === "string" && fields.path !== "/data/fields" ? "FILE-1" : clauses[body];
      world.same(clause, answer.type, REFUSED, what);
      pipe.finish();
    }
  }),
  of("fields: requests on a file", "ERR-6 FILE-4 FILE-5 FILE-6 FILE-7", async (world) => {
    for (const [what, flags, name, fields, errno] of FILE_ERRORS) {
      const pipe = await opened(world, 4, flags);
      const answer = await pipe.ask(name, fields);
      world.same("ERR-6", errnoOf(answer), errno, what);
      world.same(FILE_CLAUSES[name]!, errnoOf(answer), errno, what);
      pipe.finish();
    }
  }),
  of("fields: requests on fs", "ERR-6 FS-6 FILE-1", async (world) => {
    const pipe = await opened(world, 6);
    for (const [what, name, fields, errno] of FS_ERRORS) {
      const answer = await pipe.ask(name, fields);
      world.same("ERR-6", errnoOf(answer), errno, what);
      world.same(["Stat", "Lstat"].includes(name) ? "FILE-1" : "FS-6", errnoOf(answer), errno, what);
    }
    pipe.finish();
  }),
  violation("a Sync of 2", 4, 0x0408, le32(2)),
  violation("a Mkdir whose parents is 2", 6, 0x0604, [...le32(0o755), ...le32(2), ...le32(2), 0x2f, 0x61]),
  violation("a Truncate to 2^53", 4, 0x0407, le64(2n ** 53n)),
  violation("a Seek by -2^53", 4, 0x0405, [...le32(1), ...le64(-(2n ** 53n))]),
  badBody("an Open of echo with a body", 1, [0]),
  badBody("an Open of fs with a body", 6, [0, 0, 0, 0]),
  badBody("a listener on port 65536", 3, [...le32(1), ...encode("ListenReply", { bound: inet(65_536) })]),
  of("fields: levels of Log", "ERR-6 CTL-5", async (world) => {
    for (const level of [0, 25, 51, 0xffff_ffff]) {
      await world.guest.control.send(0x0103, encode("Log", { level, text: `a line of level ${level}` }));
    }
    const answer = await world.guest.control.ask("Ping", { data: "" });
    world.same("ERR-6", answer.type, 0x8105, "a Ping after them");
    const logged = (level: number): number | undefined =>
      world.host.lines.find(({ msg }) => msg.includes(`a line of level ${level}`))?.level;
    await until("the lines", () => logged(0xffff_ffff) !== undefined);
    world.same("CTL-5", [0, 25, 51, 0xffff_ffff].map(logged), [20, 20, 50, 50], "levels in the log");
  }),
  of("fields: Explain asks the policy alone", "ERR-6 CTL-7", async (world) => {
    const { control } = world.guest;
    const verdict = async (protocol: number, body: Iterable<number>): Promise<[number, number]> => {
      await control.send(0x0106, explain(protocol, body));
      return frameOf(await control.frame());
    };
    world.same("CTL-7", await verdict(99, [1, 2, 3]), [0x8106, 0], "a protocol that the host lacks");
    world.same("CTL-7", await verdict(1, []), [0x8106, 1], "echo");
    const odd = encode("FileOpen", file(READ | 64, "/data/fields", 0o7777));
    world.same("ERR-6", await verdict(4, odd), [0x8106, 1], "flags that an Open is refused for");
  }),
  fatal("an Explain whose body is cut off", "CTL-7 ERR-6 ERR-3", 6, async ({ control }) => {
    await control.send(0x0106, explain(2, [1, 2, 3]));
  }),
  fatal("an Explain of echo with a body", "CTL-7 ERR-6", 6, async ({ control }) => {
    await control.send(0x0106, explain(1, [0]));
  }),
];
