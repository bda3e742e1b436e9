// What a hypervisor does for Ringway, without a machine: serves the doorbell's socket, carries its bytes between host
// and guest, and keeps the memory. Boots, resets, pauses and quits when it is told to.

import { mkdtempSync, openSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Guest, type GuestBell } from "@ringway/guest";
import { SharedMemory } from "@ringway/linux";
import type { VmOptions } from "@ringway/monitor";
import { until } from "./wait.ts";

export interface Place extends Disposable {
  readonly memory: string;
  readonly doorbell: string;
  /** For Monitor.start(). */
  readonly vm: VmOptions;
}

/** Where a VM's memory and doorbell are, before there is either. */
export function place(name = "vm", memoryBytes = 4 * 1024 * 1024): Place {
  const folder = mkdtempSync(join(tmpdir(), "ringway-vm-"));
  const memory = join(folder, "memory");
  const doorbell = join(folder, "doorbell.sock");
  return {
    memory,
    doorbell,
    vm: { name, memory, doorbell, memoryBytes },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export class Hypervisor {
  readonly #place: Place;
  readonly #server: Server;
  readonly #memories: SharedMemory[] = [];
  #host: Socket | undefined;
  /** The bell of what was booted last. */
  #booted: { bell(): void; gone(): void } | undefined;

  constructor(place: Place) {
    this.#place = place;
    this.#server = createServer((socket) => {
      // One at a time, as QEMU: the next waits.
      this.#server.close();
      this.#host = socket;
      socket.on("error", () => {});
      socket.on("data", () => this.#booted?.bell());
      socket.on("close", () => {
        if (this.#host !== socket) return;
        this.#host = undefined;
        this.#booted?.gone();
        if (!this.#quitted) this.#server.listen(this.#place.doorbell);
      });
    });
    this.#server.listen(place.doorbell);
  }

  #quitted = false;

  get hasHost(): boolean {
    return this.#host !== undefined;
  }

  /** The guest that boots now, in the place of one before: nobody tells that one. */
  async boot(): Promise<Guest> {
    const memory = await this.#map();
    const bell: GuestBell = {
      ring: () => this.ring(),
      listen: (listener) => {
        this.#booted = {
          bell: () => listener.bell(),
          gone: () => listener.gone(Object.assign(new Error("the channel hung up"), { code: "ECONNRESET" })),
        };
      },
      close: () => {},
    };
    return await Guest.attach({ memory, doorbell: bell });
  }

  /** The memory, as a guest maps it; a monitor that has not begun yet has made none that could be used. */
  async #map(): Promise<SharedMemory> {
    const memory = await until("the VM's memory", () => {
      const fd = openSync(this.#place.memory, "r+");
      const mapped = SharedMemory.fromFd(fd, { requireSeals: false });
      if (new Uint32Array(mapped.buffer, 0, 1)[0] !== 0) return mapped;
      mapped[Symbol.dispose]();
      return undefined;
    });
    this.#memories.push(memory);
    return memory;
  }

  /** All of the memory, for a guest that writes what it likes. It is the hypervisor's to dispose of. */
  map(): Promise<SharedMemory> {
    return this.#map();
  }

  async words(): Promise<Int32Array> {
    return new Int32Array((await this.#map()).buffer);
  }

  ring(bytes = 1): void {
    this.#host?.write(Buffer.alloc(bytes));
  }

  pause(): void {
    this.#host?.pause();
  }

  resume(): void {
    this.#host?.resume();
  }

  /** The hypervisor ends, as by SIGKILL. */
  quit(): void {
    this.#quitted = true;
    this.#host?.destroy();
    this.#server.close();
    for (const memory of this.#memories) memory[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.quit();
  }
}
