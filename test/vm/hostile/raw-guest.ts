// The hostile guest's hold on the wire where it is a virtual machine: in the place of ../../support/raw-guest.ts when its program is
// bundled. The memory is the ivshmem device's, the bell a virtio port, and neither ever goes away: a guest that vanishes here does
// so as a crashed agent does, and the next one attaches over what it left.

import { constants, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { GuestSession, HostState, layout, loadWord, type RegionMemory, regionMemory } from "@ringway/control";
import type { SharedMemory as Memory } from "@ringway/linux";
import { until } from "../../support/wait.ts";
import { hungUp, ringEventfd, SharedMemory } from "./linux.ts";

const PCI = "/sys/bus/pci/devices";
const PORTS = "/sys/class/virtio-ports";
const PORT_NAME = "org.ringway.doorbell";
/** What a host says of the region, once: it never looks at it again, so whoever has overwritten it does without. */
const PLACES_BYTES = 0x2c;
const LIFE_MS = 1000;

const text = (path: string): string => readFileSync(path, "utf8").trim();

function openMemory(): Memory {
  const device = readdirSync(PCI).find((name) => text(`${PCI}/${name}/device`) === "0x1110");
  writeFileSync(`${PCI}/${device}/enable`, "1");
  return SharedMemory.fromFd(openSync(`${PCI}/${device}/resource2`, "r+"));
}

function openPort(): number {
  const port = readdirSync(PORTS).find((name) => text(`${PORTS}/${name}/name`) === PORT_NAME);
  return openSync(`/dev/${port}`, constants.O_RDWR | constants.O_NONBLOCK);
}

/** A port can be opened once at a time. */
let device: { readonly memory: Memory; readonly places: Uint8Array; readonly port: number } | undefined;

export class RawGuest {
  readonly memory: Memory;
  readonly region: RegionMemory;
  readonly session: GuestSession;
  readonly socketFd: number;
  readonly bellToHostFd: number;
  readonly bellToGuestFd: number;
  readonly #bornMs: number = performance.now();

  private constructor({ memory, places, port }: NonNullable<typeof device>) {
    this.memory = memory;
    this.region = regionMemory(memory.buffer);
    this.region.bytes.set(places);
    this.socketFd = port;
    this.bellToHostFd = port;
    this.bellToGuestFd = port;
    this.session = new GuestSession(this.region, { ring: () => this.ring() });
  }

  static async connect(): Promise<RawGuest> {
    if (device === undefined) {
      const memory = openMemory();
      const magic = (): boolean =>
        loadWord(regionMemory(memory.buffer), layout.SB_MAGIC_LOW) === layout.MAGIC_LOW;
      await until("a monitor to have been here", magic);
      const places = new Uint8Array(memory.buffer).slice(0, PLACES_BYTES);
      device = { memory, places, port: openPort() };
    }
    return new RawGuest(device);
  }

  async attach(): Promise<void> {
    this.session.attach();
    await until("the epoch to begin", () => this.session.poll() === "attached");
    await until("the attachment", () => this.session.poll() === "attached");
  }

  ring(): void {
    ringEventfd(this.bellToHostFd);
  }

  /** The monitor has ended this guest, or it has lived long enough: it does not get over what it has broken of its own. */
  hungUp(): boolean {
    if (hungUp(this.bellToHostFd) || performance.now() - this.#bornMs > LIFE_MS) return true;
    return loadWord(this.region, layout.SB_HOST_STATE) === HostState.FAILED;
  }

  /** More rings than the channel holds. */
  fillBell(): void {
    for (let i = 0; i < 10_000; i++) this.ring();
  }

  vanish(): void {}
}
