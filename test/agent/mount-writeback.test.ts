// ringway-agent --mount PATH,writeback: the guest's kernel keeps what is written, and the host has it when the file is
// closed or synced, with its times.

import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mountMessages as m } from "@ringway/control";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, run, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor } from "../support/monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";
import { Caller } from "./caller.ts";
import { noFuse } from "./fuse.ts";
import { Network, noNetworks } from "./networks.ts";
import { PlayedMount } from "./played-mount.ts";

const reason = noCompiler ?? noNetworks ?? noFuse ?? missing("python3");

describe.skipIf(reason !== undefined)(titled("ringway-agent --mount PATH,writeback", reason), () => {
  let program: string;
  let folder: string;
  let data: string;
  let mnt: string;
  let guest: Network;
  const hold = heldForAll();

  beforeAll(async () => {
    program = buildAgent();
    folder = temporaryFolder("writeback");
    [data, mnt] = [join(folder, "data"), join(folder, "mnt")];
    for (const path of [data, mnt]) mkdirSync(path);
    guest = hold(await Network.make("ip link set lo up", undefined, ["--mount"]));
    const host = hold(
      await startMonitor(`version: 1
files:
  - { guest: /data, host: ${data}, access: rw }
`),
    );
    hold(await attachedAgent(program, host.path, ["--mount", `/data:${mnt},writeback`], guest.under));
  }, BUILD_MS);

  const python = (script: string): Promise<string> =>
    guest.run("python3", "-c", `import os, time\n${script}`);

  test("small writes come to the host as few large ones, when the file is closed", async () => {
    const path = join(folder, "played.sock");
    const point = join(folder, "played");
    mkdirSync(point);
    using host = new PlayedMount(path, ["file"]);
    await using _agent = await attachedAgent(
      program,
      path,
      ["--mount", `/data:${point},writeback`],
      guest.under,
    );
    using calls = await new Caller(guest.under, point).ready();
    await calls.call('opened("file")');
    const written = '[os.write(files["file"], b"x" * 64) for _ in range(1000)] == [64] * 1000';
    expect(await calls.call(written)).toBe("True");
    expect(await calls.call('os.close(files["file"])')).toBe("None");
    const writes = host.frames.filter(({ type }) => type === m.MountWrite.type);
    expect(writes.length).toBeGreaterThan(0);
    expect(writes.length).toBeLessThan(100);
  });

  test("a file that is open to write alone keeps what is around the bytes that are written", async () => {
    writeFileSync(join(data, "around"), "0123456789");
    await python(`fd = os.open("${mnt}/around", os.O_WRONLY)
os.pwrite(fd, b"xy", 3)
os.close(fd)
fd = os.open("${mnt}/around", os.O_WRONLY | os.O_APPEND)
os.write(fd, b"end")
os.close(fd)`);
    expect(readFileSync(join(data, "around"), "utf8")).toBe("012xy56789end");
  });

  test("a file that is made to write alone, and one that nobody may read, are written all the same", async () => {
    writeFileSync(join(data, "unread"), "0123456789", { mode: 0o200 });
    await python(`for name, mode in [("made", 0o200), ("unread", 0)]:
    fd = os.open("${mnt}/" + name, os.O_WRONLY | os.O_CREAT, mode)
    os.pwrite(fd, b"xy", 3)
    os.close(fd)`);
    expect(readFileSync(join(data, "made"), "latin1")).toBe("\0\0\0xy");
    expect(readFileSync(join(data, "unread"), "latin1")).toBe("012xy56789");
  });

  test("times that a program sets are the host's, and else those of its last write", async () => {
    const said = await python(`with open("${mnt}/set", "w") as file:
    file.write("set")
os.utime("${mnt}/set", (5, 1_000_000_000))
with open("${mnt}/own", "w") as file:
    # Past the tick in which it was made: in the same one the guest's kernel has no time to tell.
    made = os.fstat(file.fileno()).st_mtime_ns
    while time.clock_gettime_ns(time.CLOCK_REALTIME) < made + 50_000_000: pass
    file.write("own")
print(os.stat("${mnt}/own").st_mtime_ns)`);
    expect(statSync(join(data, "set")).mtimeMs).toBe(1e12);
    expect(statSync(join(data, "own"), { bigint: true }).mtimeNs).toBe(BigInt(said.trim()));
  });

  test("a file is what it should be after any calls", async () => {
    const fsx = join(folder, "fsx");
    const source = fileURLToPath(new URL("../fixtures/fsx.c", import.meta.url));
    expect(run("gcc", ["-O1", "-o", fsx, source]).stderr).toBe("");
    await guest.run(fsx, join(mnt, "any"), "4", "200");
    const seen = await guest.run("sha256sum", join(mnt, "any"));
    expect(seen.split(" ")[0]).toBe(run("sha256sum", [join(data, "any")]).stdout.split(" ")[0]);
  });
});
