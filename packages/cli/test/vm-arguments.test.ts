// What `ringway vm` makes of a QEMU command line.

import { describe, expect, it } from "vitest";
import { UsageError } from "../src/errors.ts";
import { type Acceleration, planArguments } from "../src/vm/arguments.ts";
import { parseProperties, parseQemuOptions } from "../src/vm/qemu-options.ts";
import { formatMemory, parseMemory } from "../src/vm/size.ts";

const DEVICES = { memoryFd: 3, memoryBytes: 64 * 2 ** 20, doorbell: "/tmp/r/doorbell" };
const ADDED_DEVICES = [
  "-object memory-backend-file,id=ringway-memory,mem-path=/proc/self/fd/3,size=67108864,share=on",
  "-device ivshmem-plain,memdev=ringway-memory",
  "-chardev socket,id=ringway-doorbell,path=/tmp/r/doorbell,server=on,wait=off",
  "-device virtio-serial-pci,id=ringway-serial,ioeventfd=off",
  "-device virtserialport,bus=ringway-serial.0,chardev=ringway-doorbell,name=org.ringway.doorbell",
].join(" ");

/** Words as a shell would split them; nothing here needs quotes. */
const words = (line: string): string[] => line.split(" ").filter((word) => word !== "");

/** What is added before the devices. */
function added(line: string, accel?: Acceleration): string {
  const { added: all } = planArguments(words(line), DEVICES, accel);
  const text = all.join(" ");
  expect(text.endsWith(ADDED_DEVICES)).toBe(true);
  return text.slice(0, -ADDED_DEVICES.length).trimEnd();
}

function refusal(line: string, accel?: Acceleration): string {
  try {
    planArguments(words(line), DEVICES, accel);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  }
  return expect.unreachable(`${line} should have been refused`);
}

describe("what is added", () => {
  const CPUS = "-accel tcg,thread=multi -smp 1,maxcpus=2";
  it.each([
    ["", undefined, `${CPUS} -nic none`],
    ["", "tcg", `${CPUS} -nic none`],
    ["", "kvm", "-accel kvm -nic none"],
    ["-m 512 -nographic disk.img", undefined, `${CPUS} -nic none`],
    // Acceleration
    ["-accel tcg", undefined, "-smp 1,maxcpus=2 -nic none"],
    ["-accel tcg,thread=multi", "tcg", "-smp 1,maxcpus=2 -nic none"],
    ["-accel kvm", undefined, "-nic none"],
    ["-accel kvm", "kvm", "-nic none"],
    ["-enable-kvm", undefined, "-nic none"],
    ["--enable-kvm", "kvm", "-nic none"],
    ["-machine q35,accel=kvm", undefined, "-nic none"],
    ["-M accel=kvm", "kvm", "-nic none"],
    ["-machine q35", undefined, `${CPUS} -nic none`],
    ["-accel kvm -accel tcg", undefined, "-smp 1,maxcpus=2 -nic none"],
    ["-machine accel=kvm:tcg", undefined, "-smp 1,maxcpus=2 -nic none"],
    // Virtual CPUs
    ["-smp 2", undefined, "-accel tcg,thread=multi -nic none"],
    ["--smp 4", undefined, "-accel tcg,thread=multi -nic none"],
    ["-smp 1,maxcpus=2", undefined, "-accel tcg,thread=multi -nic none"],
    ["-smp cpus=1,maxcpus=4", undefined, "-accel tcg,thread=multi -nic none"],
    ["-smp sockets=1,cores=2", undefined, "-accel tcg,thread=multi -nic none"],
    ["-smp 1 -smp maxcpus=2", undefined, "-accel tcg,thread=multi -nic none"],
    ["-M pc,smp.cpus=2", undefined, "-accel tcg,thread=multi -nic none"],
    ["-smp 1", "kvm", "-accel kvm -nic none"],
    ["-enable-kvm -smp 1", undefined, "-nic none"],
    // The network
    ["-nic user", undefined, CPUS],
    ["-nic none", undefined, CPUS],
    ["-net none", undefined, CPUS],
    ["-netdev user,id=n -device e1000,netdev=n", undefined, CPUS],
    ['-device {"driver":"e1000","netdev":"n"}', undefined, CPUS],
    ["-device e1000", undefined, `${CPUS} -nic none`],
    ["-device virtio-rng-pci", undefined, `${CPUS} -nic none`],
    // The value of an option is no option, and an image is no value.
    ["-append -smp -enable-kvm", undefined, "-nic none"],
    ["-nographic -smp 2", undefined, "-accel tcg,thread=multi -nic none"],
    ["-S -smp 2", undefined, "-accel tcg,thread=multi -nic none"],
    ["disk.img -smp 2", undefined, "-accel tcg,thread=multi -nic none"],
    // Its own devices are not in the way.
    ["-device virtio-serial-pci,id=mine -device virtconsole,bus=mine.0", undefined, `${CPUS} -nic none`],
    ["-device virtserialport,name=org.qemu.guest_agent.0", undefined, `${CPUS} -nic none`],
  ] as const)("to %j with --accel %s: %s", (line, accel, expected) => {
    expect(added(line, accel)).toBe(expected);
  });

  it("tells of a network of the guest's own", () => {
    const hasNetwork = (line: string): boolean => planArguments(words(line), DEVICES, undefined).hasNetwork;
    expect(hasNetwork("-nic user")).toBe(true);
    expect(hasNetwork("-net user")).toBe(true);
    expect(hasNetwork("-device e1000,netdev=n")).toBe(true);
    expect(hasNetwork("-nic none")).toBe(false);
    expect(hasNetwork("-m 512")).toBe(false);
  });

  it("doubles a comma in the socket's path", () => {
    const { added: all } = planArguments([], { ...DEVICES, doorbell: "/tmp/a,b/doorbell" }, undefined);
    expect(all.join(" ")).toContain("path=/tmp/a,,b/doorbell,server=on");
  });
});

describe("what is refused", () => {
  it.each([
    ["-smp 1", undefined, "-smp: with a single possible virtual CPU, TCG then emits plain instead of atomic"],
    ["-smp 1,maxcpus=1", "tcg", "-smp: with a single possible"],
    ["-smp cpus=1", undefined, "-smp: with a single possible"],
    ["-smp 1,sockets=1,cores=1,threads=1", undefined, "-smp: with a single possible"],
    ["-smp sockets=1,cores=1", undefined, "-smp: with a single possible"],
    ["-smp 2 -smp 1", undefined, "-smp: with a single possible"],
    ["-M pc,smp.cpus=1", undefined, "-smp: with a single possible"],
    ["-accel kvm -accel tcg -smp 1", undefined, "-smp: with a single possible"],
    ["-machine accel=kvm:tcg -smp 1", undefined, "-smp: with a single possible"],
    ["-accel tcg,thread=single", undefined, "-accel tcg,thread=single: with one thread for all virtual CPUs"],
    ["-accel tcg,thread=single -smp 4", undefined, "use thread=multi"],
    ["-icount 3 -smp 2", undefined, "-icount: it means one thread"],
    ["-accel kvm", "tcg", "--accel tcg and -accel kvm contradict each other"],
    ["-enable-kvm", "tcg", "--accel tcg and -enable-kvm contradict each other"],
    ["-machine q35,accel=tcg", "kvm", "--accel kvm and -machine q35,accel=tcg contradict each other"],
    ["-accel kvm -accel tcg", "kvm", "--accel kvm and -accel tcg contradict each other"],
    ["-daemonize", undefined, "QEMU must stay in the foreground"],
    ["-device ivshmem-plain,memdev=m", undefined, "could not tell the two apart"],
    ['-device {"driver":"ivshmem-doorbell"}', undefined, "could not tell the two apart"],
    ["-device virtserialport,chardev=c,name=org.ringway.doorbell", undefined, "adds the port"],
    ["-chardev null,id=ringway-doorbell", undefined, "the id ringway-doorbell is ringway's own"],
    ["-object memory-backend-ram,id=ringway-memory,size=1M", undefined, "the id ringway-memory is"],
    ['-device {"driver":"virtio-serial-pci","id":"ringway-serial"}', undefined, "the id ringway-serial is"],
  ] as const)("%j with --accel %s: %s", (line, accel, expected) => {
    expect(refusal(line, accel)).toContain(expected);
  });

  it("under TCG only: KVM's virtual CPUs are atomic, one or many, and it has no threads to choose", () => {
    expect(added("-icount 3", "kvm")).toBe("-accel kvm -nic none");
    expect(added("-accel kvm -smp 1")).toBe("-nic none");
  });
});

describe("QEMU's options", () => {
  it("are told from values and images", () => {
    const args = ["-m", "512", "disk.img", "-S", "--smp", "2", "-append", "-quiet", "-serial"];
    expect(parseQemuOptions(args)).toEqual([
      { name: "m", value: "512" },
      { name: "S", value: undefined },
      { name: "smp", value: "2" },
      { name: "append", value: "-quiet" },
      { name: "serial", value: undefined },
    ]);
  });

  it("have properties, with commas that are doubled", () => {
    expect(parseProperties("file,path=a,,b=c,ro,size=1", "driver")).toEqual([
      { key: "driver", value: "file" },
      { key: "path", value: "a,b=c" },
      { key: "ro", value: "on" },
      { key: "size", value: "1" },
    ]);
  });
});

describe("--memory", () => {
  it.each([
    ["64M", 2 ** 26],
    ["1M", 2 ** 20],
    ["1G", 2 ** 30],
    ["64MiB", 2 ** 26],
    ["1024K", 2 ** 20],
    ["4G", 2 ** 32],
  ])("%s", (text, bytes) => {
    expect(parseMemory(text)).toBe(bytes);
    expect(parseMemory(formatMemory(bytes))).toBe(bytes);
  });

  it.each([["48M"], ["512K"], ["8G"], ["0"], ["64X"], ["-1M"], ["1.5G"], [""]])("not %j", (text) => {
    expect(parseMemory(text)).toEqual(expect.stringContaining(`found "${text}"`));
  });
});
