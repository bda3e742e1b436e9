// Getting a region and a bell in a virtual machine: the memory of its ivshmem device, and its doorbell's virtio port.
// Neither has a driver of ours, and both are root's.
//
//   found ── memory mapped, channel opened ──> waiting ── a monitor is there, with a region ──> an Attachment
//                                       ↑         │
//                                       └─────────┘ busy, hung up, or no region in it yet
//
// The devices are there from boot on; the monitor comes and goes. So what is missing of the former is an error at
// once, and the latter is waited for until the deadline, by looking: a port that has hung up cannot be waited for.

import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { layout, loadWord, type RegionMemory, regionMemory } from "@ringway/control";
import {
  AT_FDCWD,
  closeFd,
  connectUnixStream,
  Errno,
  errnoName,
  isPollable,
  makeRaw,
  OpenFlags,
  openat2,
  POLLIN,
  PollSet,
  SharedMemory,
} from "@ringway/linux";
import { RingwayError } from "../errors.ts";
import { type Attachment, retry } from "./attachment.ts";
import { ByteChannelBell } from "./byte-channel-bell.ts";

/** The guest is a virtual machine: where its memory and its channel are, unless they are to be looked for. */
export interface AttachIvshmem {
  readonly ivshmem: true | IvshmemPlaces;
}

export interface IvshmemPlaces {
  /** A file that maps the memory. Default: `resource2` of the first PCI device 1af4:1110. */
  readonly memory?: string | undefined;
  /** The doorbell: a virtio port, a serial line, or a Unix socket. Default: the virtio port org.ringway.doorbell. */
  readonly channel?: string | undefined;
  /** Where /sys and /dev are, for a container that has the machine's elsewhere. Default "/". */
  readonly root?: string | undefined;
}

const PORT_NAME = "org.ringway.doorbell";
const PCI_VENDOR = "0x1af4";
const PCI_DEVICE = "0x1110";
/** How long a port may be somebody else's: who is just leaving needs less, and who stays is worth an error. */
const BUSY_MS = 1000;

export async function attachIvshmem(
  places: IvshmemPlaces,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Attachment> {
  const root = places.root ?? "/";
  const memoryPath = places.memory ?? findMemory(root);
  const channel = new ByteChannel(places.channel ?? findPort(root));
  const memory = mapMemory(memoryPath);
  try {
    const region = regionMemory(memory.buffer);
    const bell = await untilServed(region, channel, deadline, signal);
    return { memory: region, bell, release: () => memory[Symbol.dispose](), monitorReturns: true };
  } catch (error) {
    channel.close();
    memory[Symbol.dispose]();
    throw error;
  }
}

async function untilServed(
  region: RegionMemory,
  channel: ByteChannel,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<ByteChannelBell> {
  const busyUntil = performance.now() + BUSY_MS;
  let missing = "";
  try {
    return await retry(deadline, signal, { syscall: "attach" }, () => {
      missing =
        channel.open(performance.now() < busyUntil) ??
        (hasRegion(region) ? "" : "the memory has no region yet");
      return missing === "" ? channel.take() : undefined;
    });
  } catch (error) {
    if ((error as RingwayError).code !== "ETIMEDOUT") throw error;
    throw unavailable(
      Errno.ETIMEDOUT,
      `no monitor has served this machine in time: ${missing}`,
      channel.path,
    );
  }
}

/** A monitor writes the magic words last. */
function hasRegion(memory: RegionMemory): boolean {
  return (
    loadWord(memory, layout.SB_MAGIC_HIGH) === layout.MAGIC_HIGH &&
    loadWord(memory, layout.SB_MAGIC_LOW) === layout.MAGIC_LOW
  );
}

/** The channel, from path to bell. */
class ByteChannel {
  readonly path: string;
  readonly #isSocket: boolean;
  #fd = -1;

  constructor(path: string) {
    this.path = path;
    this.#isSocket = statSync(path, { throwIfNoEntry: false, bigint: true })?.isSocket() ?? false;
  }

  /** Opens it where it is not open: undefined when the monitor is at the other end, or what is in the way. */
  open(mayBeBusy: boolean): string | undefined {
    if (this.#fd < 0) {
      const fd = this.#isSocket ? connectUnixStream(this.path) : openDevice(this.path);
      if (fd < 0) return this.#notOpen(-fd, mayBeBusy);
      this.#fd = fd;
    }
    const set = new PollSet([{ fd: this.#fd, events: POLLIN }]);
    if (set.wait(0) === 0 || set.revents(0) === POLLIN) return undefined;
    // A port keeps its name and its descriptor while the monitor is away; a connection is over.
    if (this.#isSocket) this.close();
    return "nobody is at the other end of the channel";
  }

  /** Errors that a monitor's coming can end are sentences; others are thrown. */
  #notOpen(errno: number, mayBeBusy: boolean): string {
    if (errno === Errno.EBUSY && mayBeBusy) return "another program has the channel";
    if (
      this.#isSocket &&
      (errno === Errno.ECONNREFUSED || errno === Errno.EAGAIN || errno === Errno.ENOENT)
    ) {
      return `nobody listens at the channel (${errnoName(errno)})`;
    }
    throw notOpened(errno, this.path);
  }

  take(): ByteChannelBell {
    const bell = new ByteChannelBell(this.#fd, this.#isSocket);
    this.#fd = -1;
    return bell;
  }

  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }
}

function openDevice(path: string): number {
  const flags = OpenFlags.READ_WRITE | OpenFlags.NON_BLOCKING | OpenFlags.NO_CONTROLLING_TERMINAL;
  const fd = openat2(AT_FDCWD, path, flags, 0, 0);
  if (fd < 0) return fd;
  if (!isPollable(fd)) {
    closeFd(fd);
    throw unavailable(Errno.EINVAL, "it is no channel: it cannot be waited for", path);
  }
  if (makeRaw(fd) === 0) interruptForEachByte(path);
  return fd;
}

/** A UART that waits for several bytes before it interrupts would delay the bell. */
function interruptForEachByte(path: string): void {
  try {
    writeFileSync(join("/sys/class/tty", basename(realpathSync(path)), "rx_trig_bytes"), "1");
  } catch {
    // It is none that could be told.
  }
}

function mapMemory(path: string): SharedMemory {
  const fd = openat2(AT_FDCWD, path, OpenFlags.READ_WRITE, 0, 0);
  if (fd < 0) throw notOpened(-fd, path);
  // Its size is the machine's: nobody can take pages away, or the machine ends with them.
  return SharedMemory.fromFd(fd, { requireSeals: false });
}

function notOpened(errno: number, path: string): RingwayError {
  switch (errno) {
    case Errno.EBUSY:
      return unavailable(errno, "another program has it: ringway-agent, or another guest of the SDK", path);
    case Errno.EACCES:
    case Errno.EPERM:
      return unavailable(errno, "only root may use the machine's devices", path);
    case Errno.ENOENT:
      return unavailable(errno, "there is no such file", path);
    case Errno.ENXIO:
    case Errno.ENODEV:
      return unavailable(errno, "there is no device behind it", path);
    default:
      return unavailable(errno, "it cannot be opened", path);
  }
}

function unavailable(errno: number, sentence: string, path: string): RingwayError {
  const code = errnoName(errno);
  return new RingwayError(code, `${code}: ${sentence}, attach '${path}'`, {
    errno: -errno,
    syscall: "attach",
    path,
  });
}

// ── Where the devices are ─────────────────────────────────────────────────────────────────────────────────────────

/** The first in the order of the bus, so that it is the same at each start. */
function findMemory(root: string): string {
  const devices = join(root, "sys/bus/pci/devices");
  const found = entriesOf(devices)
    .filter((name) => says(join(devices, name, "vendor"), PCI_VENDOR))
    .find((name) => says(join(devices, name, "device"), PCI_DEVICE));
  if (found === undefined) {
    const what = `this machine has no ivshmem device (PCI ${PCI_VENDOR.slice(2)}:${PCI_DEVICE.slice(2)})`;
    throw unavailable(Errno.ENODEV, what, devices);
  }
  switchOn(join(devices, found, "enable"));
  return join(devices, found, "resource2");
}

/** A device that no firmware has switched on would be mapped, and be nothing but ones. */
function switchOn(enable: string): void {
  if (!says(enable, "0")) return;
  try {
    writeFileSync(enable, "1");
  } catch {
    // Who may not do this may not open the memory either, and is told so.
  }
}

function findPort(root: string): string {
  const ports = join(root, "sys/class/virtio-ports");
  const found = entriesOf(ports).find((name) => says(join(ports, name, "name"), PORT_NAME));
  if (found === undefined) {
    const what = `this machine has no virtio port ${PORT_NAME}, or the module virtio_console is not loaded`;
    throw unavailable(Errno.ENODEV, what, ports);
  }
  return join(root, "dev", found);
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** Has a small file of sysfs just this line? */
function says(file: string, line: string): boolean {
  try {
    return readFileSync(file, "latin1").trimEnd() === line;
  } catch {
    return false;
  }
}
