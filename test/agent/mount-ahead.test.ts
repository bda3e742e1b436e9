// ringway-agent --mount: what the kernel is going to ask for is asked of the host before, once; and is not used where
// it may be something else by then. The host is a played one, so what it was asked can be counted, and held.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { mountMessages as m } from "@ringway/control";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll, heldForEach } from "../support/held.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";
import { Caller } from "./caller.ts";
import { noFuse } from "./fuse.ts";
import { Network, noNetworks } from "./networks.ts";
import { PlayedMount } from "./played-mount.ts";

const reason = noCompiler ?? noNetworks ?? noFuse ?? missing("python3");

describe.skipIf(reason !== undefined)(titled("ringway-agent --mount asks ahead:", reason), () => {
  let program: string;
  let guest: Network;
  let host: PlayedMount;
  const holdAll = heldForAll();
  const hold = heldForEach();

  beforeAll(async () => {
    program = buildAgent();
    guest = holdAll(await Network.make("ip link set lo up", undefined, ["--mount"]));
  }, BUILD_MS);

  /** A program in a mount of these files. */
  const mounted = async (names: readonly string[], text = ""): Promise<Caller> => {
    const folder = temporaryFolder("ahead");
    const path = join(folder, "attach.sock");
    const point = join(folder, "mnt");
    mkdirSync(point);
    host = hold(new PlayedMount(path, names));
    if (text !== "") for (const file of host.files.values()) file.text = text;
    hold(await attachedAgent(program, path, ["--mount", `/data:${point}`], guest.under));
    return hold(new Caller(guest.under, point)).ready();
  };
  const asked = (type: number): number => host.frames.filter((frame) => frame.type === type).length;

  test("of a folder that is looked through, no file is looked for by itself", async () => {
    const names = Array.from({ length: 100 }, (_, i) => `file-${i}`);
    const program = await mounted(names);
    const sizes = 'sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(".")) >> 20';
    expect(await program.call(sizes)).toBe("100");
    const looked = host.frames.filter(
      ({ type, payload }) => type === m.MountStat.type && m.MountStat.decode(payload).path.length > 0,
    );
    expect(looked).toEqual([]);
    expect(asked(m.MountReadDirPlus.type)).toBe(2);
    expect(asked(m.MountReadDir.type)).toBe(0);
  });

  test("a folder's end is on its way while its last entries are taken", async () => {
    const program = await mounted(["only"]);
    host.held.add(m.MountReadDirPlus.type);
    program.begin('os.listdir(".")');
    const first = await host.request(m.MountReadDirPlus.type);
    host.answer(first);
    const second = await until("the next listing to be asked for", () =>
      host.frames.find((frame) => frame.type === m.MountReadDirPlus.type && frame !== first),
    );
    await program.waits();
    host.answer(second);
    expect(await program.said()).toBe("['only']");
    expect(asked(m.MountReadDirPlus.type)).toBe(2);
  });

  test("a small file is read when it is opened to be read, and once", async () => {
    const program = await mounted(["small"], "some words");
    host.held.add(m.MountRead.type);
    expect(await program.call('opened("small", os.O_RDONLY)')).toBe("None");
    const read = await host.request(m.MountRead.type);
    program.begin('os.read(files["small"], 100)');
    await program.waits();
    host.answer(read);
    expect(await program.said()).toBe("b'some words'");
    expect(asked(m.MountRead.type)).toBe(1);
    // No more than there was: the end of a file is what the host's page cache does not tell apart from a miss.
    expect(m.MountRead.decode(read.payload)).toMatchObject({ offset: 0, bytes: "some words".length });
  });

  /** It was read ahead as it was then, and the agent has that. */
  const readAhead = async (program: Caller, name: string): Promise<void> => {
    const from = host.frames.length;
    await program.call(`opened("${name}", os.O_RDONLY)`);
    await host.request(m.MountRead.type, from);
    await until("the agent to take it", () => host.isHeard);
  };

  test("of a file that was told to be another since, nothing is used that was read before", async () => {
    for (const text of ["new words", "old words and new"]) {
      const program = await mounted(["small"], "old words");
      const file = host.files.get("small")!;
      await program.call('os.stat("small")');
      file.time = 1_000_000_100; // so the kernel looks anew, behind the open
      await readAhead(program, "small");
      file.time = 1_000_000_200;
      file.text = text;
      expect(await program.call('os.fstat(files["small"]).st_size')).toBe(String(text.length));
      expect(await program.call('os.read(files["small"], 100)')).toBe(`b'${text}'`);
    }
  });

  test("who has a lock that is another file, or is made of its name, reads what there is then", async () => {
    for (const change of ['fcntl.flock(files["lock"], fcntl.LOCK_EX)', 'os.rename("lock", "mine")']) {
      const program = await mounted(["small", "lock"], "old words");
      await program.call('opened("lock")');
      await readAhead(program, "small");
      host.files.get("small")!.text = "new words";
      await program.call(change);
      expect(await program.call('os.read(files["small"], 100)')).toBe("b'new words'");
    }
  });

  test("files that nobody reads have their share, no more is asked for beside it, and after a second it is free", async () => {
    const names = Array.from({ length: 80 }, (_, i) => `f${i}`);
    const program = await mounted(names, "x".repeat(60_000));
    await program.call('[opened(f"f{i}", os.O_RDONLY) for i in range(79)] and None');
    const before = asked(m.MountRead.type);
    await program.call('opened("f79", os.O_RDONLY)');
    expect(await program.call('len(os.pread(files["f79"], 60_000, 0))')).toBe("60000");
    expect(asked(m.MountRead.type) - before).toBe(1);
    await until("a file to be read ahead again", async () => {
      const from = host.frames.length;
      await program.call('os.close(os.open("f79", os.O_RDONLY))');
      await host.request(m.MountRelease.type, from);
      return host.frames.slice(from).some(({ type }) => type === m.MountRead.type);
    });
  });

  test("who goes back to the beginning of an empty folder sees what was made in it since", async () => {
    const program = await mounted([]);
    await program.call('opened(".", os.O_RDONLY)');
    expect(await program.call('os.listdir(files["."])')).toBe("[]");
    host.files.set("new", { inode: 77, bytes: 5 });
    expect(await program.call('os.listdir(files["."])')).toBe("['new']");
  });

  test("names have the inode that their files have, on whichever of the host's file systems those lie", async () => {
    const names = Array.from({ length: 190 }, (_, i) => `${"x".repeat(200)}-${i}`);
    const program = await mounted(names);
    for (const file of host.files.values()) file.device = 7;
    const wrong = 'sum(e.inode() != os.stat(e.name).st_ino for e in list(os.scandir(".")))';
    expect(await program.call(wrong)).toBe("0");
    // They are more than the kernel asks for at once; what it takes for names later is out of the same listing.
    expect(asked(m.MountReadDir.type)).toBe(0);
  });

  test("who writes meanwhile, or has locked, reads what there is then", async () => {
    const program = await mounted(["small", "locked"], "old words");
    for (const [name, change] of [
      ["small", 'os.pwrite(os.open("small", os.O_WRONLY), b"x", 0)'],
      ["locked", 'fcntl.flock(files["locked"], fcntl.LOCK_SH)'],
    ] as const) {
      const before = host.frames.length;
      await program.call(`opened("${name}", os.O_RDONLY)`);
      await host.request(m.MountRead.type, before);
      await program.call(change);
      host.files.get(name)!.text = "new words";
      expect(await program.call(`os.read(files["${name}"], 100)`)).toBe("b'new words'");
    }
  });

  test("what waits for it goes on where the file is cut off from its host, or has an error", async () => {
    const program = await mounted(["small"], "some words");
    host.held.add(m.MountRead.type);
    await program.call('opened("small", os.O_RDONLY)');
    const read = await host.request(m.MountRead.type);
    program.begin('os.read(files["small"], 100)');
    await program.waits();
    host.held.clear();
    host.fail(read, 5);
    expect(await program.said()).toBe("b'some words'");
    expect(asked(m.MountRead.type)).toBe(2);
  });
});
