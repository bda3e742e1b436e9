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
