// ringway-agent --mount: folders of the host, mounted by FUSE, for programs that know nothing of it. What a program is
// told there is compared with what it is told on a folder of the host's own.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, run, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { MonitorProgram, Program } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Agent, attachedAgent, BUILD_MS, buildAgent, missing, startAgent } from "./agent.ts";
import { noFuse } from "./fuse.ts";
import { Network, noNetworks } from "./networks.ts";

const reason = noCompiler ?? noNetworks ?? noFuse ?? missing("python3") ?? missing("git");
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** An agent that has its mounts alone. */
const OFF = ["--socks", "off", "--http", "off", "--service", "off"];

/** Modes, times, sizes, targets and names of all below a folder. */
const TREE = (folder: string): string =>
  `find ${folder} -type d -printf '%P %m %T@\\n' -o -printf '%P %m %T@ %s %l\\n' | sort`;

describe.skipIf(reason !== undefined)(titled("ringway-agent --mount", reason), () => {
  let program: string;
  let fsx: string;
  let folder: string;
  /** The host's folder, where it is mounted, and a folder of the same kind that is nobody's. */
  let data: string;
  let mnt: string;
  let plain: string;
  /** Of another file system: what a rule says is read-only has hard links that another may not change. */
  let fixed: string;
  let path: string;
  let policy: string;
  let guest: Network;
  let monitor: MonitorProgram;
  let agent: Agent;

  const hold = heldForAll();
  beforeAll(async () => {
    program = buildAgent();
    folder = temporaryFolder("mount");
    fixed = mkdtempSync("/dev/shm/ringway-mount-");
    hold({ [Symbol.dispose]: () => rmSync(fixed, { recursive: true, force: true }) });
    [data, mnt, plain] = ["data", "mnt", "plain"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const name of [data, mnt, plain, `${mnt}-ro`, `${mnt}-own`]) mkdirSync(name);
    writeFileSync(join(fixed, "file"), "fixed\n");
    fsx = join(folder, "fsx");
    const built = run("gcc", ["-O1", "-Wall", "-Wextra", "-Werror", "-o", fsx, fixture("fsx.c")]);
    if (built.status !== 0) throw new Error(built.stderr);
    policy = `version: 1
files:
  - { id: data, guest: /data, host: ${data}, access: rw }
  - { id: fixed, guest: /fixed, host: ${fixed}, access: ro }
`;
    path = join(folder, "attach.sock");
    guest = hold(await Network.make("ip link set lo up", undefined, ["--mount"]));
    monitor = hold(await MonitorProgram.start(path, policy));
    const mounts = ["--mount", `/data:${mnt}`, "--mount", `/fixed:${mnt}-ro`];
    agent = hold(await attachedAgent(program, path, mounts, guest.under));
  }, BUILD_MS);

  const shell = (script: string): Promise<string> => guest.run("sh", "-ec", script);
  /** A folder of a test's own, here and on the host. */
  const own = (name: string): { here: string; there: string } => {
    mkdirSync(join(data, name));
    return { here: join(mnt, name), there: join(data, name) };
  };

  test("each call gives what it gives on a folder of the host's: errors, modes, contents", async () => {
    const { here } = own("calls");
    const calls = (at: string): Promise<string> => guest.run("python3", fixture("fs-calls.py"), at);
    expect(await calls(here)).toBe(await calls(plain));
  });

  test.each([1, 2, 3])("a file is what it should be after any calls, seed %i", async (seed) => {
    const { here, there } = own(`fsx-${seed}`);
    await guest.run(fsx, join(here, "file"), String(seed), "400");
    const seen = await shell(`sha256sum < ${here}/file`);
    expect(seen).toBe(run("sh", ["-c", `sha256sum < ${there}/file`]).stdout);
  });

  test(
    "tar and cp -a, in and out, keep times, modes and links",
    async () => {
      const { here, there } = own("tar");
      const made = `mkdir -p ${plain}/tree/deep/er && cd ${plain}/tree
      for i in $(seq 40); do echo $i > deep/file-$i; touch -d "2001-02-03 04:05:$i.123456789" deep/file-$i; done
      chmod 640 deep/file-1; chmod 750 deep/er; ln -s ../file-1 deep/er/link; ln deep/file-2 deep/er/same
      head -c 3000000 /dev/urandom > large; touch -d 1969-12-31 deep/er`;
      const expected = await shell(`${made}; ${TREE(`${plain}/tree`)}`);
      const unpacked =
        await shell(`tar -C ${plain} --format=posix -cf ${here}/tree.tar tree; tar -C ${here} -xf ${here}/tree.tar
      ${TREE(`${here}/tree`)}`);
      expect(unpacked).toBe(expected);
      await shell(`cp -a ${here}/tree ${here}/copy; cp -a ${here}/tree ${plain}/back
      diff -r ${here}/copy ${plain}/back`);
      expect(await shell(TREE(`${plain}/back`))).toBe(expected);
      expect(run("sh", ["-ec", TREE(join(there, "copy"))]).stdout).toBe(expected);
    },
    BUILD_MS,
  );

  test(
    "git clones a repository of some hundred files, finds it unchanged, and commits",
    async () => {
      const { here, there } = own("git");
      const git = "git -c user.name=a -c user.email=a@b.test -c init.defaultBranch=main";
      await shell(`mkdir ${plain}/repository; cd ${plain}/repository; ${git} init -q
      for i in $(seq 200); do mkdir -p d$((i % 20)); echo $i > d$((i % 20))/$i; done
      ${git} add .; ${git} commit -qm first`);
      const said = await shell(`${git} clone -q ${plain}/repository ${here}/clone; cd ${here}/clone
      ${git} status --porcelain; ${git} fsck --no-progress; echo more >> d1/1; ${git} status --porcelain
      ${git} commit -qam second; ${git} log --format=%s; ls d1 | wc -l`);
      expect(said).toBe(" M d1/1\nsecond\nfirst\n10\n");
      expect(readFileSync(join(there, "clone/d1/1"), "utf8")).toBe("1\nmore\n");
    },
    BUILD_MS,
  );

  test("SQLite in WAL mode has all rows of two processes that write at the same time", async () => {
    const { here } = own("sqlite");
    const writer = `import sqlite3, sys
db = sqlite3.connect("${here}/db", timeout=50, isolation_level=None)
for i in range(40):
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO t VALUES (?, ?)", (sys.argv[1], i))
    db.execute("COMMIT")`;
    const python = async (script: string, ...args: string[]): Promise<string> =>
      await guest.run("python3", "-c", script, ...args);
    await python(`import sqlite3
db = sqlite3.connect("${here}/db")
print(db.execute("PRAGMA journal_mode=WAL").fetchone())
db.execute("CREATE TABLE t (who, i)")`);
    await Promise.all([python(writer, "one"), python(writer, "two")]);
    const rows = await python(`import sqlite3
db = sqlite3.connect("${here}/db")
print(db.execute("SELECT who, count(*), sum(i) FROM t GROUP BY who").fetchall())
print(db.execute("PRAGMA integrity_check").fetchone())`);
    expect(rows).toBe("[('one', 40, 780), ('two', 40, 780)]\n('ok',)\n");
  });

  test("make builds a project of C there, and has nothing to do the second time", async () => {
    const { here } = own("make");
    const said = await shell(`cd ${here}
      for i in 1 2 3; do echo "int f$i(void) { return $i; }" > f$i.c; done
      echo 'int f1(void), f2(void), f3(void); int main(void) { return f1() + f2() + f3(); }' > main.c
      printf 'main: main.o f1.o f2.o f3.o\\n' > Makefile
      make -s; code=0; ./main || code=$?; echo $code; make; touch -d "1 minute" f2.c; make -n | wc -l`);
    expect(said).toBe("6\nmake: 'main' is up to date.\n2\n");
  });

  test("a folder that the policy gives to read is EROFS to write", async () => {
    const calls = `import os
print(open("file").read(), end="")
for call in [lambda: open("file", "a"), lambda: open("new", "w"), lambda: os.mkdir("d"), lambda: os.unlink("file"),
             lambda: os.chmod("file", 0), lambda: os.setxattr("file", "user.a", b""), lambda: os.rename("file", "b")]:
    try: print(call())
    except OSError as error: print(os.strerror(error.errno))`;
    const said = await shell(`cd ${mnt}-ro; python3 -c '${calls}'`);
    expect(said).toBe(`fixed\n${"Read-only file system\n".repeat(7)}`);
  });

  test("a listing has the inode numbers of stat(), on each file system of the host's", async () => {
    const many = join(fixed, "many");
    mkdirSync(many);
    // More than one answer has: the kernel asks for attributes with the first one alone.
    for (let i = 0; i < 300; i++) writeFileSync(join(many, `${i}`), "");
    await using _all = await attachedAgent(program, path, ["--mount", `/:${mnt}-own`], guest.under);
    const said = await guest.run(
      "python3",
      "-c",
      `import os
listed = {entry.path: entry.inode() for entry in os.scandir("${mnt}-own/fixed/many")}
print(len(listed), [path for path in listed if os.lstat(path).st_ino != listed[path]])`,
    );
    expect(said).toBe("300 []\n");
  });

  test("O_DIRECT reads and writes past the page cache", async () => {
    const { here, there } = own("direct");
    const said = await guest.run(
      "python3",
      "-c",
      `import mmap, os
fd = os.open("${here}/file", os.O_CREAT | os.O_RDWR | os.O_DIRECT)
buffer = mmap.mmap(-1, 8192)
buffer[:] = b"d" * 8192
print(os.pwritev(fd, [buffer], 4096))
with open("${here}/file", "r+b") as cached:
    cached.seek(4096)
    cached.write(b"cached")
print(os.preadv(fd, [buffer], 0), buffer[4094:4104])`,
    );
    expect(said).toBe("8192\n8192 b'\\x00\\x00cacheddd'\n");
    expect(readFileSync(join(there, "file")).subarray(4096)).toEqual(
      Buffer.from(`cached${"d".repeat(8186)}`),
    );
  });

  test("what another changes on the host is there after a second at the latest", async () => {
    const { here, there } = own("changes");
    const look = (what: string): Promise<string> => shell(`cd ${here}; ${what}`);
    writeFileSync(join(there, "file"), "before");
    expect(await look("cat file; ls")).toBe("beforefile\n");
    writeFileSync(join(there, "file"), "and after");
    writeFileSync(join(there, "new"), "");
    await until("the new content", async () => (await look("cat file; ls")) === "and afterfile\nnew\n");
    rmSync(join(there, "file"));
    await until("the file to be gone", async () =>
      (await look("ls -i file 2>&1 || true")).includes("No such file"),
    );
  });

  test("a lock that waits ends with its holder's, or with a signal", async () => {
    const { here } = own("waits");
    const lock = `import fcntl, signal, sys
file = open("${here}/file", "a")
signal.signal(signal.SIGALRM, lambda *_: sys.exit(print("interrupted", flush=True)))
if len(sys.argv) > 1: signal.setitimer(signal.ITIMER_REAL, 0.2)
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()`;
    const locker = (...args: string[]): Program => {
      const [command, ...words] = [...guest.under, "python3", "-c", lock, ...args];
      return hold(new Program(command!, words));
    };
    const first = locker();
    await first.line("locked");
    await locker("alarm").line("interrupted");
    const second = locker();
    first.child.stdin!.end();
    await second.line("locked");
  });

  /** An agent of a test's own, with its own mount, in the same namespaces. */
  const another = (options: readonly string[] = []): Promise<Agent> =>
    attachedAgent(program, path, ["--mount", `/data:${mnt}-own`, ...options], guest.under);

  test("the mount goes with the agent, and one that a killed agent has left is taken over", async () => {
    const { here } = own("agents");
    const there = here.replace(mnt, `${mnt}-own`);
    const mounted = (): Promise<string> => shell(`grep -c ' ${mnt}-own ' /proc/mounts || true`);
    const first = await another();
    await shell(`echo text > ${there}/file; cat ${here}/file`);
    const reader = guest.start(
      "sh",
      ["-c", `exec < ${there}/file; echo open >&2; sleep 60 & wait`],
      undefined,
    );
    await reader.said(/open/);
    expect((await first.stop()).code).toBe(0);
    reader.child.kill();
    expect(await mounted()).toBe("0\n");
    const second = await another();
    process.kill(second.pid, "SIGKILL");
    await until("the mount to say so", async () =>
      (await shell(`cat ${there}/file 2>&1 || true`)).includes("Transport endpoint is not connected"),
    );
    await using third = await another();
    expect(await shell(`cat ${there}/file`)).toBe("text\n");
    expect(third.pid).not.toBe(second.pid);
  });

  test("two guests on one folder append without loss, and lock each other out", async () => {
    const { here } = own("two");
    await using second = await another();
    const there = here.replace(mnt, `${mnt}-own`);
    const appends = (at: string, what: string): string =>
      `for i in $(seq 60); do echo ${what} >> ${at}/log; done`;
    await Promise.all([shell(appends(here, "one")), shell(appends(there, "two"))]);
    await until(
      "all lines",
      async () => (await shell(`sort ${there}/log | uniq -c`)) === "     60 one\n     60 two\n",
    );
    const held = `exec 9>> ${here}/lock; flock 9; flock -n ${there}/lock true || echo locked; flock -u 9
      flock -n ${there}/lock echo free`;
    expect(await shell(held)).toBe("locked\nfree\n");
    expect(second.pid).toBeGreaterThan(0);
  });

  test("a monitor that is killed and starts again: what was open is EIO, the mount is there", async () => {
    const { here, there } = own("killed");
    writeFileSync(join(there, "file"), Buffer.alloc(1 << 20));
    const reads = `import os, sys
fd = os.open("${here}/file", os.O_RDWR)
os.pwrite(fd, b"before", 0)
print("open", flush=True)
sys.stdin.readline()
for call in [lambda: os.ftruncate(fd, 3), lambda: os.pwrite(fd, b"x", 0),
  lambda: os.pread(fd, 1, 700000), lambda: os.fsync(fd)]:
    try: print(call(), flush=True)
    except OSError as error: print(error.errno, flush=True)
os.close(fd)
print(open("${here}/file").read(6), flush=True)`;
    const [command, ...words] = [...guest.under, "python3", "-c", reads];
    const reader = hold(new Program(command!, words));
    await reader.line("open");
    monitor.child.kill("SIGKILL");
    await agent.said(/the monitor hung up/);
    monitor = hold(await MonitorProgram.start(path, policy));
    await until(
      "the agent to attach",
      async () => (await monitor.ask<{ guests: number }>("counters")).guests === 1,
    );
    const said = await shell(`head -c 6 ${here}/file; echo new > ${here}/new; ls ${here}`);
    expect(said).toBe("beforefile\nnew\n");
    reader.child.stdin!.end("\n");
    await until("its end", () => reader.lines.length === 6);
    expect(reader.lines.slice(1)).toEqual(["5", "5", "5", "5", "before"]);
  });

  test("a call that is asked again after a loss, and a rename that waits for it, come to an end", async () => {
    const { here } = own("again");
    const calls = `import os, sys
os.chdir("${here}")
open("a", "w").close()
os.path.exists("b")
print("ready", flush=True)
sys.stdin.readline()
def begun(call):
    pid = os.fork()
    if pid == 0:
        try: call()
        finally: os._exit(0)
    while open(f"/proc/{pid}/stat").read().split()[2] == "R": pass
    return pid
pids = [begun(call) for call in [lambda: os.statvfs("."), lambda: os.rename("a", "b")]]
print("asked", flush=True)
for pid in pids: os.waitpid(pid, 0)
print("ended", flush=True)`;
    const [command, ...words] = [...guest.under, "python3", "-c", calls];
    const caller = hold(new Program(command!, words));
    await caller.line("ready");
    monitor.child.kill("SIGSTOP");
    caller.child.stdin!.end("\n");
    await caller.line("asked");
    monitor.child.kill("SIGKILL");
    monitor = hold(await MonitorProgram.start(path, policy));
    await caller.line("ended");
  });

  test("without a monitor a call waits for --hold-ms, then is EIO; a folder that no rule names is EACCES", async () => {
    const point = join(folder, "alone");
    mkdirSync(point);
    const nobody = ["--socket", join(folder, "nobody.sock"), "--mount", `/data:${point}`, "--hold-ms", "1"];
    const none = await startAgent(program, nobody, [], guest.under);
    expect(await shell(`ls ${point} 2>&1 || true`)).toContain("Input/output error");
    await none.stop();
    const wrong = await startAgent(program, ["--socket", path, "--mount", `/none:${point}`], [], guest.under);
    await wrong.said(/mount of \/none on \S+: Permission denied: .*\/none/);
    expect(await shell(`ls ${point} 2>&1 || true`)).toContain("Permission denied");
    await wrong.stop();
  });

  test("what cannot be mounted is said, and ends the agent", async () => {
    const at = (option: string): Promise<{ code: number | null; stderr: string }> =>
      start(program, ["--socket", path, ...OFF, "--mount", option], "").done;
    const [relative, nowhere] = await Promise.all([
      at("data"),
      at(`/data:${join(tmpdir(), "no-such-folder")}`),
    ]);
    expect([relative.code, nowhere.code]).toEqual([2, 1]);
    expect(relative.stderr).toContain(
      '--mount: expected PATH[:FOLDER][,watch][,writeback], such as /data or /data:/mnt/data; found "data"',
    );
    expect(nowhere.stderr).toContain("no-such-folder: No such file or directory");
  });

  test("a mount below another, or over what the agent looks for by its path, is refused", async () => {
    const inner = join(plain, "inner");
    mkdirSync(inner);
    const of = (...options: string[]): Promise<{ code: number | null; stderr: string }> =>
      start(program, [...OFF, ...options], "").done;
    const [nested, twice, over] = await Promise.all([
      of("--socket", path, "--mount", `/data:${inner}`, "--mount", `/fixed:${plain}`),
      of("--socket", path, "--mount", `/data:${plain}`, "--mount", `/fixed:${inner}/..`),
      of("--socket", join(inner, "attach.sock"), "--mount", `/data:${plain}`),
    ]);
    expect([nested.code, twice.code, over.code]).toEqual([2, 2, 2]);
    expect(nested.stderr).toContain(`--mount: ${inner} is on or below the mount on ${plain}`);
    expect(over.stderr).toContain(`--mount: ${inner}/attach.sock is on or below the mount on ${plain}`);
  });
});
