// What `ringway vm` adds to a QEMU command line, and which command lines it refuses. Pure: arguments in, arguments out.
//
// The atomics. Ringway's memory is shared with the monitor, so the guest's atomic instructions must be atomic for it,
// too. Under TCG they are only where QEMU itself thinks that another virtual CPU could look: with a thread for each,
// and more than one possible. Otherwise it emits plain loads and stores, a sleeper's flag goes unseen, and wake-ups are
// lost, rarely.

import { UsageError } from "../errors.ts";
import { lastOf, type Property, parseProperties, parseQemuOptions, type QemuOption } from "./qemu-options.ts";

export type Acceleration = "tcg" | "kvm";

export interface Devices {
  /** Number of the memory's descriptor, as QEMU inherits it. */
  readonly memoryFd: number;
  readonly memoryBytes: number;
  /** Path of the socket that QEMU is to serve. */
  readonly doorbell: string;
}

export interface Plan {
  /** To follow the user's own arguments. */
  readonly added: readonly string[];
  /** The user gave the guest a network of its own, which no policy watches. */
  readonly hasNetwork: boolean;
}

/** What the devices are called in QEMU. */
const ID = { MEMORY: "ringway-memory", DOORBELL: "ringway-doorbell", SERIAL: "ringway-serial" } as const;
const PORT_NAME = "org.ringway.doorbell";
const WHY_ATOMIC =
  "TCG then emits plain instead of atomic instructions, which the monitor may see torn apart: wake-ups get lost";

/** `accel` is what --accel says, undefined where it is not given. Throws UsageError. */
export function planArguments(
  userArgs: readonly string[],
  devices: Devices,
  accel: Acceleration | undefined,
): Plan {
  const options = parseQemuOptions(userArgs);
  refuseDaemon(options);
  refuseClashes(options);
  const hasNetwork = asksForNetwork(options);
  const added = [
    ...addedAcceleration(options, accel),
    ...(options.some(isNetworkOption) ? [] : ["-nic", "none"]),
    ...deviceArguments(devices),
  ];
  return { added, hasNetwork };
}

function deviceArguments({ memoryFd, memoryBytes, doorbell }: Devices): string[] {
  const path = doorbell.replaceAll(",", ",,");
  return [
    [
      "-object",
      `memory-backend-file,id=${ID.MEMORY},mem-path=/proc/self/fd/${memoryFd},size=${memoryBytes},share=on`,
    ],
    ["-device", `ivshmem-plain,memdev=${ID.MEMORY}`],
    ["-chardev", `socket,id=${ID.DOORBELL},path=${path},server=on,wait=off`],
    // Without ioeventfd a ring does not wait for another thread of QEMU's: under TCG 173 us instead of 201 for a
    // sleeping guest.
    ["-device", `virtio-serial-pci,id=${ID.SERIAL},ioeventfd=off`],
    ["-device", `virtserialport,bus=${ID.SERIAL}.0,chardev=${ID.DOORBELL},name=${PORT_NAME}`],
  ].flat();
}

// ── What cannot be ────────────────────────────────────────────────────────────────────────────────────────────────

function refuseDaemon(options: readonly QemuOption[]): void {
  if (options.some(({ name }) => name === "daemonize")) {
    throw new UsageError(
      "-daemonize: the machine and its monitor end together, so QEMU must stay in the foreground",
    );
  }
}

function refuseClashes(options: readonly QemuOption[]): void {
  const ids = Object.values<string>(ID);
  for (const { name, value = "" } of options) {
    if (name !== "device" && name !== "object" && name !== "chardev") continue;
    // JSON or key=value: what is looked for is the same in both.
    const id = ids.find((each) => new RegExp(`\\bid"?\\s*[=:]\\s*"?${each}\\b`).test(value));
    if (id !== undefined)
      throw new UsageError(`-${name} ${value}: the id ${id} is ringway's own; choose another`);
    if (name !== "device") continue;
    if (/\bivshmem/.test(value)) {
      throw new UsageError(
        `-device ${value}: ringway adds an ivshmem device, and the guest could not tell the two apart`,
      );
    }
    if (value.includes(PORT_NAME)) {
      throw new UsageError(`-device ${value}: ringway adds the port ${PORT_NAME} itself`);
    }
  }
}

// ── The network ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Where there is any of these, the user has decided about the network. */
function isNetworkOption({ name, value = "" }: QemuOption): boolean {
  return (
    name === "nic" ||
    name === "netdev" ||
    name === "net" ||
    (name === "device" && /\bnetdev"?\s*[=:]/.test(value))
  );
}

function asksForNetwork(options: readonly QemuOption[]): boolean {
  return options.some((option) => isNetworkOption(option) && option.value !== "none");
}

// ── Acceleration and virtual CPUs ─────────────────────────────────────────────────────────────────────────────────

interface Accelerator {
  readonly name: string;
  /** As it was typed. */
  readonly text: string;
  readonly thread: string | undefined;
}

function addedAcceleration(options: readonly QemuOption[], asked: Acceleration | undefined): string[] {
  const own = accelerators(options);
  for (const { name, text } of own) {
    if (asked !== undefined && name !== asked) {
      throw new UsageError(`--accel ${asked} and ${text} contradict each other; leave one out`);
    }
  }
  const added = own.length > 0 ? [] : ["-accel", asked === "kvm" ? "kvm" : "tcg,thread=multi"];
  // One that QEMU only falls back to counts, too.
  const mayBeTcg = own.length > 0 ? own.some(({ name }) => name === "tcg") : asked !== "kvm";
  return mayBeTcg ? [...added, ...addedCpus(options, own)] : added;
}

/** What the user's own arguments choose, in the order of QEMU's preference. */
function accelerators(options: readonly QemuOption[]): Accelerator[] {
  return options.flatMap(({ name, value = "" }) => {
    if (name === "enable-kvm") return [{ name: "kvm", text: "-enable-kvm", thread: undefined }];
    if (name === "accel") {
      const properties = parseProperties(value, "accel");
      const thread = lastOf(properties, "thread");
      return [{ name: lastOf(properties, "accel") ?? "", text: `-accel ${value}`, thread }];
    }
    if (name !== "machine" && name !== "M") return [];
    const list = lastOf(parseProperties(value, "type"), "accel");
    const text = `-${name} ${value}`;
    return list === undefined ? [] : list.split(":").map((each) => ({ name: each, text, thread: undefined }));
  });
}

function addedCpus(options: readonly QemuOption[], own: readonly Accelerator[]): string[] {
  const single = own.find(({ name, thread }) => name === "tcg" && thread === "single");
  if (single !== undefined) {
    throw new UsageError(
      `${single.text}: with one thread for all virtual CPUs, ${WHY_ATOMIC}; use thread=multi`,
    );
  }
  const icount = options.find(({ name }) => name === "icount");
  if (icount !== undefined) {
    throw new UsageError(`-icount: it means one thread for all virtual CPUs; ${WHY_ATOMIC}; leave it out`);
  }
  const topology = options.flatMap(({ name, value = "" }) => topologyOf(name, value));
  if (topology.length === 0) return ["-smp", "1,maxcpus=2"];
  if (possibleCpus(topology) === 1) {
    throw new UsageError(
      `-smp: with a single possible virtual CPU, ${WHY_ATOMIC}; use -smp 1,maxcpus=2, or -smp 2, or KVM`,
    );
  }
  return [];
}

/** What an option says of the number of CPUs. QEMU merges them all, and takes the last of each kind. */
function topologyOf(name: string, value: string): Property[] {
  if (name === "smp") return parseProperties(value, "cpus");
  if (name !== "machine" && name !== "M") return [];
  return parseProperties(value, "type")
    .filter(({ key }) => key.startsWith("smp."))
    .map((property) => ({ key: property.key.slice("smp.".length), value: property.value }));
}

/** As QEMU counts: maxcpus; without it cpus; without both, the topology's product. A value it would refuse is NaN. */
function possibleCpus(topology: readonly Property[]): number {
  const value = (key: string): number => Number(lastOf(topology, key) ?? 0);
  const parts = ["drawers", "books", "sockets", "dies", "clusters", "modules", "cores", "threads"];
  return (
    value("maxcpus") || value("cpus") || parts.reduce((product, part) => product * (value(part) || 1), 1)
  );
}
