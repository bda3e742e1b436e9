// ringway-agent --mount PATH,watch: what others change is seen when the host tells of it, before the second is over for
// which the guest's kernel would believe what it was told.

import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { mountMessages as m } from "@ringway/control";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll, heldForEach } from "../support/held.ts";
import { startMonitor } from "../support/monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";
import { Caller } from "./caller.ts";
import { noFuse } from "./fuse.ts";
import { Network, noNetworks } from "./networks.ts";
import { PlayedMount } from "./played-mount.ts";

const reason = noCompiler ?? noNetworks ?? noFuse ?? missing("python3");
const LONG = ["x".repeat(4000), `${"x".repeat(400)}/`];
const { CREATED, REMOVED, MODIFIED, MOVED_TO, OVERFLOW, GONE } = m.MountEventBits;

/** The kernel can be told to look for all names again. */
const forgetsNames = (([major, minor]) => major! > 6 || (major === 6 && minor! >= 16))(
  release().split(".").map(Number),
);

describe.skipIf(reason !== undefined)(titled("ringway-agent --mount PATH,watch", reason), () => {
  let program: string;
  let guest: Network;
  let host: PlayedMount;
  let agent: Agent;
  let calls: Caller;
  const holdAll = heldForAll();
  const hold = heldForEach();

  beforeAll(async () => {
    program = buildAgent();
    guest = holdAll(await Network.make("ip link set lo up", undefined, ["--mount"]));
  }, BUILD_MS);

  /** A host of these files, which watches them or not. */
  const mounted = async (names: readonly string[], watches = true): Promise<void> => {
    const folder = temporaryFolder("watch");
    const path = join(folder, "attach.sock");
    const point = join(folder, "mnt");
    mkdirSync(point);
    host = hold(new PlayedMount(path, names));
    host.watches = watches;
    agent = hold(await attachedAgent(program, path, ["--mount", `/data:${point},watch`], guest.under));
    await host.request(m.MountWatch.type);
    calls = await hold(new Caller(guest.under, point)).ready();
  };
  const told = async (events: number, path: string): Promise<void> => {
    host.tell(events, path);
    await until("the event to be taken", () => host.isHeard);
    // Taken is not yet passed on to the kernel; it is before the agent answers anything else.
    await size(`behind-${asked++}`);
  };
  let asked = 0;
  const size = (name: string): Promise<string> => calls.call(`os.stat("${name}").st_size`);

  test("a file that another writes to has its new size", async () => {
    await mounted(["file"]);
    expect(await size("file")).toBe(String(1 << 20));
    host.files.get("file")!.bytes = 5;
    await told(MODIFIED, "file");
    expect(await size("file")).toBe("5");
  });

  test("a file that another removes is gone, and one that takes its name is another one", async () => {
    await mounted(["gone", "old"]);
    await size("gone");
    expect(await calls.call('os.stat("old").st_ino')).toBe("3");
    host.files.delete("gone");
    host.files.set("old", { inode: 9, bytes: 9 });
    await told(REMOVED, "gone");
    await told(MOVED_TO, "old");
    expect(await size("gone")).toBe("No such file or directory");
    expect(await calls.call('os.stat("old").st_ino')).toBe("9");
    expect(await calls.call('os.path.exists("gone")')).toBe("False");
  });

  test("a name that was not there is, once another makes it; before Linux 6.16 after a second", async () => {
    await mounted([]);
    expect(await size("new")).toBe("No such file or directory");
    host.files.set("new", { inode: 9, bytes: 9 });
    await told(CREATED, "new");
    if (forgetsNames) expect(await size("new")).toBe("9");
    else await until("the name", async () => (await size("new")) === "9");
  });

  test("a name that the guest makes itself costs the kernel none of the others", async () => {
    await mounted(["file"]);
    await size("file");
    host.held.add(m.MountOpen.type);
    calls.begin('os.close(os.open("own", os.O_CREAT | os.O_RDWR))');
    const open = await host.request(m.MountOpen.type);
    host.files.set("own", { inode: 9, bytes: 0 });
    host.tell(CREATED, "own");
    await until("the event to be taken", () => host.isHeard);
    host.held.clear();
    host.answer(open);
    expect(await calls.said()).toBe("None");
    const before = host.frames.length;
    expect(await size("file")).toBe(String(1 << 20));
    const stats = host.frames.slice(before).filter(({ type }) => type === m.MountStat.type);
    const asked = stats.map(({ payload }) => Buffer.from(m.MountStat.decode(payload).path).toString());
    expect(asked).not.toContain("file");
  });

  test("events of what the kernel never asked for, and of no path that can be, change nothing", async () => {
    await mounted(["file"]);
    await size("file");
    for (const path of ["none/deep", "file/below", "/", "//", "..", "", "file/", ...LONG]) {
      await told(CREATED | MODIFIED, path);
    }
    await told(OVERFLOW, "");
    await told(GONE, "");
    await agent.said(/what others change is seen after a second, .*: the watch has ended/);
    expect(await size("file")).toBe(String(1 << 20));
    expect(await calls.call("os.getpid() > 1")).toBe("True");
  });

  test("a host that does not watch it is told of in the log, and the mount is there", async () => {
    await mounted(["file"], false);
    await agent.said(/what others change is seen after a second, .*: as many folders are watched/);
    expect(await size("file")).toBe(String(1 << 20));
  });

  test("a monitor tells of what its host's programs do", async () => {
    const folder = temporaryFolder("watched");
    const [data, point] = [join(folder, "data"), join(folder, "mnt")];
    for (const path of [data, point, join(data, "deep")]) mkdirSync(path);
    writeFileSync(join(data, "deep/file"), "before");
    await using monitor = await startMonitor(`version: 1
files:
  - { guest: /data, host: ${data}, access: rw }
`);
    await using _agent = await attachedAgent(
      program,
      monitor.path,
      ["--mount", `/data:${point},watch`],
      guest.under,
    );
    using here = new Caller(guest.under, point);
    await here.ready();
    const read = (name: string): Promise<string> => here.call(`open("${name}").read()`);
    expect(await read("deep/file")).toBe("before");
    writeFileSync(join(data, "deep/file"), "and after");
    await until("what is new", async () => (await read("deep/file")) === "and after");
    // Each is seen sooner than the second is over: one of ten by far, on however busy a machine.
    const waits: number[] = [];
    for (let round = 0; round < 10; round++) {
      const bytes = (): Promise<string> => here.call('os.stat("deep/file").st_size');
      const before = await bytes();
      appendFileSync(join(data, "deep/file"), "more");
      const began = performance.now();
      await until("its new size", async () => (await bytes()) !== before);
      waits.push(performance.now() - began);
    }
    expect(Math.min(...waits)).toBeLessThan(500);
    writeFileSync(join(data, "other"), "other");
    renameSync(join(data, "other"), join(data, "deep/file"));
    await until("the other one", async () => (await read("deep/file")) === "other");
    rmSync(join(data, "deep"), { recursive: true });
    await until("its end", async () => (await read("deep/file")) === "No such file or directory");
    expect(await here.call('print("written", file=open("own", "w"), end="")')).toBe("None");
    expect(await read("own")).toBe("written");
  });
});
