// The hostile guest's footing where it is a virtual machine: in the place of ../../support/footing.ts when its program
// is bundled. The memory is the ivshmem device's, the bell a virtio port, and neither ever goes away: a guest that
// vanishes here does so as a crashed agent does, and the next one attaches over what it left.

import { constants, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { HostState, layout, loadWord, type RegionMemory, regionMemory } from "@ringway/control";
import type { SharedMemory as Memory } from "@ringway/linux";
import type { Footing } from "../../support/footing.ts";
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

interface Device {
  readonly memory: Memory;
  readonly region: RegionMemory;
  readonly places: Uint8Array;
  readonly port: number;
}

/** A port can be opened once at a time. */
let device: Device | undefined;

async function open(): Promise<Device> {
  const memory = openMemory();
  const region = regionMemory(memory.buffer);
  const magic = (): boolean => loadWord(region, layout.SB_MAGIC_LOW) === layout.MAGIC_LOW;
  await until("a monitor to have been here", magic);
  return { memory, region, places: region.bytes.slice(0, PLACES_BYTES), port: openPort() };
}

export async function connectFooting(): Promise<Footing> {
  device ??= await open();
  const { memory, region, places, port } = device;
  region.bytes.set(places);
  const bornMs = performance.now();
  const ring = (): void => ringEventfd(port);
  return {
    memory,
    socketFd: port,
    bellToHostFd: port,
    bellToGuestFd: port,
    ring,
    /**
     * The monitor has ended this guest, or it has lived long enough: it does not get over what it has broken of its
     * own.
     */
    hungUp() {
      if (hungUp(port) || performance.now() - bornMs > LIFE_MS) return true;
      return loadWord(region, layout.SB_HOST_STATE) === HostState.FAILED;
    },
    /** More rings than the channel holds. */
    fillBell() {
      for (let i = 0; i < 10_000; i++) ring();
    },
    vanish() {},
  };
}
