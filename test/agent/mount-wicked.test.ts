// ringway-agent --mount, with a host that says what no file system does (wicked-mount.ts): each call of a program ends,
// by whatever error, and the agent goes on, with nothing that its sanitizers would say.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { attachedAgent, BUILD_MS, buildAgent, missing } from "./agent.ts";
import { noFuse } from "./fuse.ts";
import { Network, noNetworks } from "./networks.ts";
import { WickedHost } from "./wicked-mount.ts";

const reason = noCompiler ?? noNetworks ?? noFuse ?? missing("python3");

/** Calls of all kinds, in any order; each may fail as it likes. */
const CALLS = `import fcntl, os, random, sys
os.chdir(sys.argv[1])
chance = random.Random(int(sys.argv[2]))
names = ["a", "b", "cd", "a/b", "cd/a", "cd/ed", "cd/ed/f", "n" * 255]
fds = []
def opened(flags):
    fds.append(os.open(chance.choice(names), flags | os.O_CLOEXEC))
    if len(fds) > 8: os.close(fds.pop(0))
def lock(how):
    how(chance.choice(fds), chance.choice([fcntl.LOCK_SH, fcntl.LOCK_EX, fcntl.LOCK_UN]) | fcntl.LOCK_NB)
calls = [
    lambda: os.stat(chance.choice(names)), lambda: os.listdir(chance.choice([".", "cd", "cd/ed"])),
    lambda: [entry.stat() for entry in os.scandir(".")], lambda: opened(os.O_RDWR),
    lambda: opened(os.O_RDWR | os.O_CREAT), lambda: opened(os.O_WRONLY | os.O_APPEND),
    lambda: opened(os.O_RDONLY | os.O_TRUNC), lambda: os.pread(chance.choice(fds), 300000, chance.randrange(200000)),
    lambda: os.pwrite(chance.choice(fds), b"x" * chance.randrange(300000), chance.randrange(200000)),
    lambda: os.rename(chance.choice(names), chance.choice(names)), lambda: os.unlink(chance.choice(names)),
    lambda: os.mkdir(chance.choice(names)), lambda: os.rmdir(chance.choice(names)),
    lambda: os.link(chance.choice(names), chance.choice(names)), lambda: os.symlink("a", chance.choice(names)),
    lambda: os.readlink(chance.choice(names)), lambda: os.truncate(chance.choice(names), 5),
    lambda: os.utime(chance.choice(names)), lambda: os.chmod(chance.choice(fds), 0o600),
    lambda: os.listxattr(chance.choice(names)), lambda: os.getxattr(chance.choice(names), "user.a"),
    lambda: os.setxattr(chance.choice(names), "user.a", b"v"), lambda: os.statvfs("."),
    lambda: os.lseek(chance.choice(fds), 0, os.SEEK_HOLE), lambda: os.fsync(chance.choice(fds)),
    lambda: os.copy_file_range(chance.choice(fds), chance.choice(fds), 100000, 0, 0),
    lambda: lock(fcntl.lockf), lambda: lock(fcntl.flock), lambda: os.close(fds.pop()),
]
ended = {}
for _ in range(int(sys.argv[3])):
    try:
        chance.choice(calls)()
        how = 0
    except (OSError, IndexError, ValueError) as error:
        how = getattr(error, "errno", -1)
    ended[how] = ended.get(how, 0) + 1
print(sum(ended.values()), "calls ended,", "some well" if 0 in ended else "none well")`;

describe.skipIf(reason !== undefined)(titled("ringway-agent --mount, with a wicked host,", reason), () => {
  let program: string;
  beforeAll(() => {
    program = buildAgent();
  }, BUILD_MS);

  test.each([1, 2, 3])("ends each call, and goes on, seed %i", async (seed) => {
    const folder = temporaryFolder("wicked");
    const path = join(folder, "attach.sock");
    const point = join(folder, "mnt");
    mkdirSync(point);
    using host = new WickedHost(path, seed);
    using guest = await Network.make("ip link set lo up", undefined, ["--mount"]);
    await using _agent = await attachedAgent(program, path, ["--mount", `/data:${point},watch`], guest.under);
    expect(await guest.run("python3", "-c", CALLS, point, String(seed), "400")).toBe(
      "400 calls ended, some well\n",
    );
    expect(host.asked).toBeGreaterThan(200);
  });
});
