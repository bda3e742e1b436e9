// file, file-stream and fs: PROTOCOL.md sections 13 to 15.

import { chmodSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode, type Fields } from "../../../packages/conformance/src/catalogue.ts";
import { P } from "../../../packages/conformance/src/host/layout.ts";
import type { HostFrame } from "../../../packages/conformance/src/host/pipe.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { until } from "../../support/wait.ts";
import { word } from "../wire-guest.ts";
import { ERROR, frameOf, type MonitorCase, OPENED, of, REFUSED, text } from "./case.ts";

const stat = (frame: HostFrame, at = 0): { kind: number; mode: number; size: number } => ({
  kind: word(frame.payload, at),
  mode: word(frame.payload, at + 4),
  size: word(frame.payload, at + 28),
});
const open = (flags: number, path: string, mode = 0o644): Fields => ({ flags, mode, path });
const stream = (
  direction: number,
  flags: number,
  path: string,
  offset = 0,
  length = Number.MAX_SAFE_INTEGER,
): Fields => ({
  ...{ direction, flags, mode: 0o644, offset, length, path },
});

export const filesCases: MonitorCase[] = [
  of(
    "file: requests, in order",
    "FILE-2 FILE-3 FILE-4 FILE-5 FILE-6 FILE-7 FILE-8 MSG-2 MSG-3",
    async (world) => {
      const path = "/data/file";
      const { pipe, answer } = await world.guest.open(4, "FileOpen", open(1 | 2 | 4, path));
      world.same(
        "FILE-2",
        [answer.type, stat(answer)],
        [OPENED, { kind: 1, mode: 0o644, size: 0 }],
        "Opened",
      );
      const hex = Buffer.from("hello, file").toString("hex");
      const written = await pipe.ask("Write", { data: hex });
      world.same("FILE-5", frameOf(written), [0x8402, 11], "Write");
      world.same(
        "FILE-5",
        frameOf(await pipe.ask("WriteAt", { offset: 20, data: "2121" })),
        [0x8402, 2],
        "WriteAt",
      );
      world.same("FILE-6", frameOf(await pipe.ask("Seek", { whence: 0, offset: 7 })), [0x8405, 7], "Seek");
      world.same(
        "FILE-6",
        frameOf(await pipe.ask("Seek", { whence: 0, offset: -1 })),
        [ERROR, 22],
        "Seek below 0",
      );
      const read = await pipe.ask("Read", { bytes: 4 });
      world.same("FILE-4", Buffer.from(read.payload).toString(), "file", "Read");
      const ids = [
        await pipe.send(0x0403, encode("ReadAt", { offset: 20, bytes: 10 })),
        await pipe.send(0x0403, encode("ReadAt", { offset: 22, bytes: 10 })),
      ];
      const replies = [await pipe.frame(), await pipe.frame()];
      world.same(
        "FILE-3",
        replies.map((each) => each.request),
        ids,
        "replies in order",
      );
      world.same(
        "FILE-4",
        replies.map((each) => Buffer.from(each.payload).toString()),
        ["!!", ""],
        "ReadAt, and the end of the file",
      );
      world.same(
        "MSG-3",
        [(await pipe.ask("FileStat", {})).type, (await pipe.ask("Truncate", { bytes: 5 })).type],
        [0x8003, 0x8002],
        "FileStat, Truncate",
      );
      world.same("FILE-7", stat(await pipe.ask("FileStat", {})).size, 5, "size after Truncate");
      world.same("MSG-2", (await pipe.ask("Sync", { dataOnly: 1 })).payload.length, 0, "Done");
      world.same("FILE-7", (await pipe.ask("Close", {})).type, 0x8002, "Close");
      world.same("FILE-7", (await pipe.takeAll()).closed, 1, "after which the host ends");
      pipe.finish();
      world.same("FILE-5", readFileSync(join(world.data, "file"), "utf8"), "hello", "the file");
      const { pipe: second } = await world.guest.open(4, "FileOpen", open(2, path));
      await second.send(0x0402, encode("Write", { data: "7a" }));
      second.end();
      world.same(
        "FILE-8",
        [(await second.frame()).type, (await second.takeAll()).closed],
        [0x8402, 1],
        "END, after the requests before it",
      );
      second.finish();
    },
  ),
  of("file: what does not open", "FILE-1 FILE-2 VER-4 LIM-1", async (world) => {
    const refused = async (fields: Fields): Promise<[number, number]> => {
      const { pipe, answer } = await world.guest.open(4, "FileOpen", fields, 8192);
      pipe.finish();
      return frameOf(answer);
    };
    world.same("VER-4", await refused(open(64 | 1, "/data/x")), [REFUSED, 22], "a flag that nobody knows");
    world.same("FILE-2", await refused(open(4, "/data/x")), [REFUSED, 22], "neither READ nor WRITE");
    for (const flag of [4, 8, 16, 32])
      world.same(
        "FILE-2",
        await refused(open(1 | flag, "/data/x")),
        [REFUSED, 22],
        `flag ${flag} without WRITE`,
      );
    world.same("FILE-2", await refused(open(1, "/data")), [REFUSED, 21], "a folder");
    world.same("FILE-2", await refused(open(1, "/data/none")), [REFUSED, 2], "a file that is not there");
    world.same("FILE-1", await refused(open(1, "/elsewhere/x")), [REFUSED, 13], "a path that no rule allows");
    const up = await refused(open(1, "/data/../etc/passwd"));
    world.check("FILE-1", up[0] === REFUSED, `"..": ${up}`);
    world.same(
      "LIM-1",
      await refused(open(1, `/data/${"x".repeat(256)}`)),
      [REFUSED, 36],
      "a component of 256 bytes",
    );
  }),
  of("file: more than a frame may ask for", "LIM-1 FILE-4", async (world) => {
    writeFileSync(join(world.data, "large"), pattern(100_000));
    const { pipe } = await world.guest.open(4, "FileOpen", open(1, "/data/large"), 1 << 18);
    const frame = await pipe.ask("Read", { bytes: 65_536 });
    world.check(
      "FILE-4",
      frame.type === 0x8401 && frame.payload.length > 0 && frame.payload.length <= 65_536,
      "Data",
    );
    const over = await pipe.ask("Read", { bytes: 0xffff_ffff });
    world.check("LIM-1", over.type === ERROR || over.payload.length <= 65_536, "Data is never longer");
    pipe.finish();
  }),
  of("file-stream: read", "FST-1 FST-2 FST-3", async (world) => {
    writeFileSync(join(world.data, "read"), pattern(30_000));
    const { pipe, answer } = await world.guest.open(
      5,
      "FileStreamOpen",
      stream(1, 1, "/data/read", 1000, 20_000),
    );
    world.same(
      "FST-2",
      [answer.type, word(answer.payload), stat(answer, 8).size],
      [OPENED, 20_000, 30_000],
      "Opened",
    );
    const { bytes, closed } = await pipe.takeAll();
    world.same(
      "FST-3",
      [bytes.equals(pattern(30_000).subarray(1000, 21_000)), closed],
      [true, 1],
      "bytes, then END",
    );
    pipe.finish();
    const refused = async (fields: Fields): Promise<[number, number]> => {
      const opened = await world.guest.open(5, "FileStreamOpen", fields);
      opened.pipe.finish();
      return frameOf(opened.answer);
    };
    world.same("FST-1", await refused(stream(1, 2, "/data/read")), [REFUSED, 22], "a read with WRITE");
    world.same("FST-1", await refused(stream(2, 3, "/data/read")), [REFUSED, 22], "a write with READ");
    world.same("FST-1", await refused(stream(3, 1, "/data/read")), [REFUSED, 22], "direction 3");
    world.same(
      "FST-1",
      await refused(stream(2, 2 | 16, "/data/read", 1)),
      [REFUSED, 22],
      "APPEND with an offset",
    );
  }),
  of("file-stream: write", "FST-4 FST-2", async (world) => {
    const { pipe, answer } = await world.guest.open(5, "FileStreamOpen", stream(2, 2 | 4, "/data/written"));
    world.same("FST-2", answer.type, OPENED, "Opened");
    await pipe.put(pattern(20_000));
    pipe.end();
    const done = await pipe.frame();
    world.same("FST-4", frameOf(done), [0x8501, 20_000], "WriteDone");
    world.same("FST-4", done.request, answer.request, "the Open's request id");
    world.same("FST-4", (await pipe.takeAll()).closed, 1, "then the end");
    pipe.finish();
    world.check("FST-4", readFileSync(join(world.data, "written")).equals(pattern(20_000)), "the file");
    const { pipe: short } = await world.guest.open(
      5,
      "FileStreamOpen",
      stream(2, 2 | 4, "/data/short", 0, 10),
    );
    short.push(pattern(100));
    const failed = await short.frame();
    world.same("FST-4", failed.request, 1, "the Open's request id");
    world.same(
      "FST-4",
      [failed.type, word(failed.payload), word(failed.payload, 8)],
      [0x8502, 10, 27],
      "WriteFailed EFBIG past the length",
    );
    await until("toHost to be closed", () => short.get(P.TO_HOST_STOPPED) === 1);
    short.finish();
    const { pipe: broken } = await world.guest.open(5, "FileStreamOpen", stream(2, 2 | 4, "/data/broken"));
    await broken.put(pattern(10));
    await until("the bytes to be taken", () => broken.free() === broken.toHost);
    broken.reset();
    const { bytes } = await broken.takeAll();
    world.same("FST-4", bytes.length, 0, "nothing is answered to a reset");
    broken.finish();
  }),
  of("fs: requests", "FS-1 FS-2 FS-3 FS-4 FS-5 FS-6 FS-7 FS-8 MSG-2 MSG-3 FRM-7", async (world) => {
    const { pipe, answer } = await world.guest.open(6, undefined, {}, 16_384);
    world.same("FS-1", [answer.type, answer.payload.length], [OPENED, 0], "Opened");
    const done = async (clause: string, name: string, fields: Fields): Promise<void> =>
      world.same(clause, (await pipe.ask(name, fields)).type, 0x8002, name);
    const error = async (clause: string, name: string, fields: Fields, errno: number): Promise<void> =>
      world.same(
        clause,
        frameOf(await pipe.ask(name, fields)),
        [ERROR, errno],
        `${name} ${JSON.stringify(fields)}`,
      );
    await done("FS-6", "Mkdir", { mode: 0o755, parents: true, path: "/data/a/b/c" });
    world.same("FS-3", stat(await pipe.ask("Stat", { path: "/data/a/b" })).kind, 2, "Stat of a folder");
    await done("FS-6", "Symlink", { target: "c", path: "/data/a/b/link" });
    world.same(
      "FS-3",
      stat(await pipe.ask("Lstat", { path: "/data/a/b/link" })).kind,
      3,
      "Lstat of a symlink",
    );
    world.same("MSG-3", stat(await pipe.ask("Stat", { path: "/data/a/b/link" })).kind, 2, "Stat follows it");
    const target = await pipe.ask("Readlink", { path: "/data/a/b/link" });
    world.same(
      "FS-7",
      [target.type, Buffer.from(target.payload.subarray(4)).toString()],
      [0x8609, "c"],
      "Readlink",
    );
    symlinkSync("/etc", join(world.data, "out"));
    await error("FS-2", "Stat", { path: "/data/out/passwd" }, 18);
    const up = await pipe.ask("Stat", { path: "/data/../x" });
    world.check("FS-2", up.type === ERROR, `"..": ${frameOf(up)}`);
    writeFileSync(Buffer.concat([text(`${world.data}/a/`), Buffer.from([0xff, 0xfe])]), "");
    writeFileSync(join(world.data, "a/file"), "x");
    const id = await pipe.send(0x0603, encode("ReadDir", { path: "/data/a" }));
    const names: string[] = [];
    let [skipped, more] = [0, 1];
    while (more !== 0) {
      const frame = await pipe.frame();
      world.same("FS-4", [frame.type, frame.request], [0x8603, id], "Entries");
      const payload = Buffer.from(frame.payload);
      more = word(payload);
      skipped += word(payload, 4);
      for (let at = 12, left = word(payload, 8); left > 0; left--) {
        const length = word(payload, at + 4);
        names.push(payload.toString("utf8", at + 8, at + 8 + length));
        at += 8 + length;
      }
    }
    world.same("FS-4", names.sort(), ["b", "file"], "names, without . and ..");
    world.same("FS-5", skipped, 1, "names that are not UTF-8");
    await done("FS-6", "Rename", { from: "/data/a/file", to: "/data/a/b/moved" });
    await done("FS-6", "Chmod", { mode: 0o600, path: "/data/a/b/moved" });
    await error("FS-6", "Chmod", { mode: 0o4755, path: "/data/a/b/moved" }, 1);
    const time = { seconds: 1_000_000_000, nanoseconds: 5 };
    await done("FS-6", "Utimes", { accessed: time, modified: time, path: "/data/a/b/moved" });
    const { payload } = await pipe.ask("Stat", { path: "/data/a/b/moved" });
    world.same("FS-6", [word(payload, 4), word(payload, 56)], [0o600, 1_000_000_000], "mode and modified");
    chmodSync(join(world.data, "a/b/moved"), 0o6755);
    const { mode } = stat(await pipe.ask("Stat", { path: "/data/a/b/moved" }));
    world.same("MSG-3", mode, 0o755, "permission bits only");
    await done("MSG-3", "Chmod", { mode, path: "/data/a/b/moved" });
    const statfs = await pipe.ask("Statfs", { path: "/data" });
    world.check("FS-7", statfs.type === 0x860c && word(statfs.payload) > 0, "Statfs");
    await done("MSG-2", "Unlink", { path: "/data/a/b/moved" });
    await error("FS-3", "Stat", { path: "/data/a/b/moved" }, 2);
    await error("FS-6", "Rmdir", { path: "/data/a/b" }, 39);
    await done("FS-6", "Rmdir", { path: "/data/a/b/c" });
    await pipe.send(0x06ff, []);
    world.same("FRM-7", frameOf(await pipe.frame()), [ERROR, 38], "a request that nobody knows");
    await pipe.send(0x0601, encode("Stat", { path: "/data" }));
    pipe.end();
    world.same(
      "FS-8",
      [(await pipe.frame()).type, (await pipe.takeAll()).closed],
      [0x8003, 1],
      "END, after the requests before it",
    );
    pipe.finish();
  }),
];
