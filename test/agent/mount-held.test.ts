// ringway-agent --mount, with a host that answers when the test says so (played-mount.ts): what waits, and for whom;
// what a signal ends; what is lost, and what is given back.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ErrorReply, mountMessages as m } from "@ringway/control";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { heldForAll, heldForEach } from "../support/held.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";
import { Caller } from "./caller.ts";
import { noFuse } from "./fuse.ts";
import { Network, noNetworks } from "./networks.ts";
import { PlayedMount } from "./played-mount.ts";

const reason = noCompiler ?? noNetworks ?? noFuse ?? missing("python3");

const ENOENT = 2;
const EACCES = 13;
const ECANCELED = 125;
/** Flags of MountOpen. */
const [READ, WRITE, CREATE, NO_FOLLOW] = [1, 2, 4, 64];

const LOCK = (name: string): string => `fcntl.lockf(files["${name}"], fcntl.LOCK_EX)`;

describe.skipIf(reason !== undefined)(
  titled("ringway-agent --mount, with answers that wait,", reason),
  () => {
    let program: string;
    let guest: Network;
    let host: PlayedMount;
    let agent: Agent;
    let point: string;
    const holdAll = heldForAll();
    const hold = heldForEach();

    beforeAll(async () => {
      program = buildAgent();
      guest = holdAll(await Network.make("ip link set lo up", undefined, ["--mount"]));
    }, BUILD_MS);

    /** A host of these files, of which so many requests may be under way, and its mount in the guest. */
    const mounted = async (names: readonly string[], requests?: number): Promise<void> => {
      const folder = temporaryFolder("held");
      const path = join(folder, "attach.sock");
      point = join(folder, "mnt");
      mkdirSync(point);
      host = hold(new PlayedMount(path, names, requests));
      agent = hold(await attachedAgent(program, path, ["--mount", `/data:${point}`], guest.under));
    };
    const caller = (): Promise<Caller> => hold(new Caller(guest.under, point)).ready();
    const callers = (count: number): Promise<Caller[]> => Promise.all(Array.from({ length: count }, caller));

    test("close(2) is not ended by a signal, which its locks would outlive", async () => {
      await mounted(["file", "held", "next"], 1);
      const [closes, stands, next, locks] = (await callers(4)) as [Caller, Caller, Caller, Caller];
      await closes.call('opened("file")');
      await locks.call('opened("file")');
      expect(await closes.call(LOCK("file"))).toBe("None");
      // The queue stands: the second has no place at the host, and what is behind it has not begun.
      host.held.add(m.MountStat.type);
      stands.begin('os.stat("held")');
      await host.request(m.MountStat.type, host.frames.length);
      next.begin('os.stat("next").st_size');
      await next.waits();
      closes.begin('os.close(files["file"])');
      await closes.waits();
      locks.begin(LOCK("file"));
      await locks.waits();
      const before = host.frames.length;
      closes.signal("SIGUSR1");
      await closes.waitsOn();
      // The agent hears of signals in their order; and who waits for its turn to lock something is ended by one.
      locks.signal("SIGALRM");
      expect(await locks.said()).toBe("alarm");
      host.release();
      expect(await closes.said()).toBe("None");
      const releases = host.frames.slice(before).filter(({ type }) => type === m.MountRelease.type);
      expect(releases.map(({ payload }) => m.MountRelease.decode(payload).handle)).toContain(3);
    });

    test("a lock is not asked for where a signal came between its two steps", async () => {
      await mounted(["file", "full"]);
      const [locks, writer] = (await callers(2)) as [Caller, Caller];
      await locks.call('opened("file")');
      await writer.call('opened("full")');
      host.held.add(m.MountOpen.type).add(m.MountLock.type);
      const before = host.frames.length;
      locks.begin(LOCK("file"));
      const open = await host.request(m.MountOpen.type, before);
      host.isReading = false;
      writer.begin(`os.pwrite(files["full"], b"x" * ${host.fillingBytes}, 0)`);
      await until("a ring without room", () => host.isFull);
      host.answer(open);
      await until("the answer to be taken", () => host.isHeard);
      locks.signal("SIGALRM");
      expect(await locks.said()).toBe("alarm");
      host.readOn();
      expect(await writer.said()).toBe(String(host.fillingBytes));
      expect(host.frames.filter(({ type }) => type === m.MountLock.type)).toEqual([]);
    });

    test("a signal is heard behind a hundred requests that wait", async () => {
      await mounted(["file", ...Array.from({ length: 100 }, (_, i) => `f${i}`)], 1);
      const [waits, many] = (await callers(2)) as [Caller, Caller];
      await waits.call('opened("file")');
      host.held.add(m.MountStat.type).add(m.MountLock.type);
      waits.begin(LOCK("file"));
      const lock = await host.request(m.MountLock.type);
      const said = await many.call('[in_child(lambda: os.stat(f"f{i}")) for i in range(100)]');
      for (const pid of JSON.parse(said) as number[]) await many.waits(pid);
      waits.signal("SIGALRM");
      await host.request(m.MountCancel.type);
      host.answer(lock, ErrorReply.type, ErrorReply.encode({ errno: ECANCELED, rule: "", reason: "" }));
      expect(await waits.said()).toBe("alarm");
      host.release([lock]);
      expect(await many.call("[os.wait()[1] for _ in range(100)] == [0] * 100")).toBe("True");
    });

    test("a handle that nobody wants is given back as soon as there is room to say so", async () => {
      await mounted(["full"]);
      const [creates, writer] = (await callers(2)) as [Caller, Caller];
      await writer.call('opened("full")');
      host.held.add(m.MountOpen.type);
      creates.begin('opened("new", os.O_CREAT | os.O_RDWR)');
      const open = await host.request(m.MountOpen.type, host.frames.length);
      host.isReading = false;
      writer.begin(`os.pwrite(files["full"], b"x" * ${host.fillingBytes}, 0)`);
      await until("a ring without room", () => host.isFull);
      // A folder, where a file was to be made.
      const wrong = m.MountHandle.encode({ handle: 77, ...host.attributes("")! });
      host.answer(open, m.MountHandle.type, wrong);
      expect(await creates.said()).toBe("Input/output error");
      host.readOn();
      await until("the handle to be given back", () =>
        host.frames.some(
          ({ type, payload }) => type === m.MountRelease.type && m.MountRelease.decode(payload).handle === 77,
        ),
      );
    });

    test("O_CREAT opens what nobody may write, where it was made since the kernel looked for it", async () => {
      await mounted([]);
      const opens = await caller();
      host.held.add(m.MountOpen.type);
      const refused = ErrorReply.encode({ errno: EACCES, rule: "", reason: "" });
      const absent = ErrorReply.encode({ errno: ENOENT, rule: "", reason: "" });
      for (const [name, then, said] of [
        ["there", undefined, "True"],
        ["gone", absent, "Permission denied"],
      ] as const) {
        opens.begin(`opened("${name}", os.O_CREAT | os.O_RDONLY) is None`);
        const makes = await host.request(m.MountOpen.type);
        host.answer(makes, ErrorReply.type, refused);
        const reads = await host.request(m.MountOpen.type, host.frames.indexOf(makes) + 1);
        expect([makes, reads].map(({ payload }) => m.MountOpen.decode(payload).flags)).toEqual([
          READ | WRITE | CREATE | NO_FOLLOW,
          READ | NO_FOLLOW,
        ]);
        host.files.set("there", { inode: 2, bytes: 1 });
        if (then === undefined) host.answer(reads);
        else host.answer(reads, ErrorReply.type, then);
        expect(await opens.said()).toBe(said);
        host.frames.length = 0;
      }
      for (const how of ["os.O_EXCL", "os.O_WRONLY", "os.O_TRUNC"]) {
        opens.begin(`opened("none", os.O_CREAT | ${how})`);
        host.answer(await host.request(m.MountOpen.type), ErrorReply.type, refused);
        expect(await opens.said()).toBe("Permission denied");
        host.frames.length = 0;
      }
    });

    test("a read of which a part is asked and a part waits ends once, where the mount is unmounted", async () => {
      await mounted(["file"], 1);
      const [reader] = (await callers(1)) as [Caller];
      await reader.call('opened("file")');
      host.held.add(m.MountRead.type);
      reader.begin('os.pread(files["file"], 131072, 0)');
      await host.request(m.MountRead.type);
      await guest.run("umount", "-f", "-l", point);
      await agent.said(/it was unmounted/);
      expect(await reader.said()).not.toContain("b'");
      expect((await agent.stop()).code).toBe(0);
    });

    test("a file of a stream that broke is closed, also where its locks of the next one must wait", async () => {
      await mounted(["file", "held"], 1);
      const [closes, stands, lost] = (await callers(3)) as [Caller, Caller, Caller];
      await closes.call('opened("file")');
      await lost.call('opened("file")');
      host.break();
      expect(await closes.call('files.update(again=os.open("file", os.O_RDWR))')).toBe("None");
      expect(await closes.call(LOCK("again"))).toBe("None");
      host.held.add(m.MountStat.type);
      stands.begin('os.stat("held")');
      await host.request(m.MountStat.type, host.frames.length);
      closes.begin('os.close(files["file"])');
      await closes.waits();
      // Behind it, and said at once.
      expect(await lost.call('os.pread(files["file"], 1, 500000)')).toBe("Input/output error");
      host.release();
      expect(await closes.said()).toBe("None");
    });

    test("a host that breaks the rules of a ring is found out by the next call, with nothing else going on", async () => {
      await mounted(["file"]);
      const [calls] = (await callers(1)) as [Caller];
      await calls.call('os.stat("file").st_size');
      host.breakRules();
      calls.begin('os.stat("other")');
      await agent.said(/waiting for|protocol/);
    });
  },
);
