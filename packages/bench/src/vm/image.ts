// The one image that all machines boot: what each of them measures with is chosen on the kernel's command line.
//
//   ringway.medium=ringway     vmload on the shared memory
//   ringway.medium=agent       ringway-agent, and vmload by TCP through its forwards: ringway.forward=PORT,PORT,...
//   ringway.medium=network     vmload by TCP through eth0, which gets ringway.address and ringway.mtu
//   ringway.medium=mount       ringway-agent with a folder of the host's at /data, and vmload through its forward
//   ringway.medium=virtiofs    the same folder by virtiofs, and vmload through eth0
//   ringway.control=HOST:PORT  where the bench listens

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busybox, cached, initramfs, kernel, run } from "@ringway/vm-image";
import { findProgram, makeAgent, NATIVE } from "../programs.ts";

export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  /** Why ringway-agent is not in it. */
  readonly noAgent?: string;
}

const FLAGS = ["-std=c11", "-O2", "-s", "-static", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror"];

const INIT = `#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do insmod "/modules/$module"; done </modules/order
ip link set lo up
for word in $(cat /proc/cmdline); do
  case $word in ringway.*) export "\${word#ringway.}" ;; esac
done
host=\${control%:*} port=\${control#*:}
case $medium in
  ringway) vmload ringway "$host" "$port" ;;
  agent)
    forwards=
    for each in $(echo "$forward" | tr , ' '); do forwards="$forwards --forward $each:127.0.0.1:$each"; done
    ringway-agent --socks off --http off --service off $forwards &
    vmload tcp 127.0.0.1 "$port"
    ;;
  mount)
    ringway-agent --socks off --http off --service off --mount /data --forward "$forward:127.0.0.1:$forward" &
    until grep -q " /data " /proc/mounts; do :; done
    vmload tcp 127.0.0.1 "$port"
    ;;
  network | virtiofs)
    ip addr add "$address" dev eth0
    ip link set eth0 mtu "$mtu" up
    [ "$medium" = network ] || mount -t virtiofs data /data
    vmload tcp "$host" "$port"
    ;;
esac
poweroff -f
`;

/** Makes it in `folder`. What it cannot do without is missing: throws. */
export async function makeImage(folder: string): Promise<Image> {
  const vmload = await compileVmload();
  const linux = await kernel();
  const archive = initramfs(linux, await busybox());
  archive.directory("data").file("init", INIT, 0o755).file("bin/vmload", readFileSync(vmload), 0o755);
  const agent = makeAgent();
  if (agent.program !== undefined) archive.file("bin/ringway-agent", readFileSync(agent.program), 0o755);
  const initrd = join(folder, "initrd");
  writeFileSync(initrd, archive.end());
  return { kernel: linux.image, initrd, ...(agent.problem === undefined ? {} : { noAgent: agent.problem }) };
}

/** Static: there is no libc in the guest. musl's where it is there, which is smaller. */
async function compileVmload(): Promise<string> {
  const at = (path: string): string => join(NATIVE, path);
  if (!existsSync(at("bench/vmload.c"))) throw new Error("the C sources are not in this installation");
  const compiler = [process.env.CC, "musl-gcc", "cc", "gcc", "clang"].find(
    (name) => name && findProgram(name),
  );
  if (compiler === undefined) throw new Error("there is no C compiler (cc, gcc or clang)");
  // Without memory.c: that is for where there is no libc.
  const core = readdirSync(at("lib")).filter((name) => name.endsWith(".c") && name !== "memory.c");
  const sources = [
    "bench/vmload.c",
    "bench/vmfiles.c",
    "posix/posix.c",
    "posix/device.c",
    ...core.map((name) => `lib/${name}`),
  ];
  const headers = [
    "bench/common.h",
    "bench/vmfiles.h",
    "lib/ringway.h",
    "posix/ringway-posix.h",
    "lib/internal.h",
  ];
  const inputs = [...sources, ...headers].sort().map((name) => readFileSync(at(name)));
  const folder = await cached("vmload", [compiler, ...FLAGS, ...inputs], (to) => {
    run(compiler, [
      ...FLAGS,
      `-I${at("lib")}`,
      `-I${at("posix")}`,
      "-o",
      join(to, "vmload"),
      ...sources.map(at),
    ]);
  });
  return join(folder, "vmload");
}
