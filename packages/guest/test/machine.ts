// A machine without a machine: serves the doorbell's socket as QEMU does, and shows the guest a channel and a memory
// file. What the monitor sends goes to the guest and back; while there is no monitor, nobody listens at the channel.

import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ReadStream } from "node:tty";
import { Monitor, parsePolicy, type VmOptions } from "@ringway/monitor";
import { openPty } from "../../linux/test/pty.ts";

const POLICY = `version: 1
guest: { argv: [in-a-vm] }
connect: [{ id: local, allow: 127.0.0.1 }]
listen: [{ id: local-listen, allow: 127.0.0.1, ports: [0] }]
files: [{ id: data, guest: /data, host: HOST, access: rw }]
`;

export class Machine {
  readonly folder: string;
  readonly memory: string;
  /** What the guest opens. */
  readonly channel: string;
  readonly vm: VmOptions;
  /** Where the monitor connects. */
  readonly doorbell: string;
  /** Bytes that the guest has sent. */
  rings = 0;
  #host: Socket | undefined;
  readonly #guests: Set<Socket> = new Set();
  readonly #doorbells: Server;
  readonly #channels: Server;
  #closed = false;

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "ringway-machine-"));
    this.memory = join(this.folder, "memory");
    this.channel = join(this.folder, "channel.sock");
    this.doorbell = join(this.folder, "doorbell.sock");
    writeFileSync(this.memory, "");
    truncateSync(this.memory, 4 * 1024 * 1024);
    mkdirSync(join(this.folder, "data"));
    this.vm = { name: "vm", memory: this.memory, doorbell: this.doorbell };
    this.#doorbells = createServer((socket) => this.#hostCame(socket)).listen(this.doorbell);
    this.#channels = createServer((socket) => this.#guestCame(socket));
    this.#channels.listen(this.channel, () => this.#hangUp());
  }

  static async start(): Promise<Machine> {
    const machine = new Machine();
    await once(machine.#channels, "close");
    return machine;
  }

  /** The channel is there, and refuses. */
  #hangUp(): void {
    for (const guest of this.#guests) guest.destroy();
    // Node removes the socket that it listens on.
    const kept = `${this.channel}-`;
    renameSync(this.channel, kept);
    this.#channels.close();
    renameSync(kept, this.channel);
  }

  #hostCame(socket: Socket): void {
    this.#host = socket;
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      for (const guest of this.#guests) guest.write(bytes);
    });
    socket.on("close", () => {
      this.#host = undefined;
      if (!this.#closed) this.#hangUp();
    });
    rmSync(this.channel);
    this.#channels.listen(this.channel);
  }

  #guestCame(socket: Socket): void {
    this.#guests.add(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      this.rings += bytes.length;
      this.#host?.write(bytes);
    });
    socket.on("close", () => this.#guests.delete(socket));
  }

  get hasHost(): boolean {
    return this.#host !== undefined;
  }

  /** The channel as a serial line: its path. It does not hang up when the monitor leaves. */
  serialLine(): string {
    const pty = openPty();
    const line = new ReadStream(pty.fd) as unknown as Socket;
    line.on("error", () => {});
    line.on("data", (bytes) => this.#host?.write(bytes));
    const writable: Pick<Socket, "write" | "destroy"> = {
      write: (bytes: Uint8Array) => {
        writeFileSync(pty.fd, bytes);
        return true;
      },
      destroy: () => line,
    };
    this.#guests.add(Object.assign(line, writable));
    return pty.path;
  }

  /** /sys and /dev as a machine shows them, among other devices. */
  root({ memory = true, port = true } = {}): string {
    const root = mkdtempSync(join(this.folder, "root-"));
    const devices = [
      ["0000:00:02.0", "0x1234", "0x1111"],
      ["0000:00:04.0", "0x1af4", "0x1003"],
      ...(memory ? [["0000:00:05.0", "0x1af4", "0x1110"]] : []),
    ];
    for (const [name, vendor, device] of devices) {
      const folder = join(root, "sys/bus/pci/devices", name!);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "vendor"), `${vendor}\n`);
      writeFileSync(join(folder, "device"), `${device}\n`);
      writeFileSync(join(folder, "enable"), "0\n");
      symlinkSync(this.memory, join(folder, "resource2"));
    }
    mkdirSync(join(root, "dev"));
    const ports = [
      ["vport1p1", "org.qemu.guest_agent.0"],
      ...(port ? [["vport2p1", "org.ringway.doorbell"]] : []),
    ];
    for (const [name, says] of ports) {
      const folder = join(root, "sys/class/virtio-ports", name!);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "name"), `${says}\n`);
      symlinkSync(this.channel, join(root, "dev", name!));
    }
    return root;
  }

  /** Which devices were switched on. */
  switchedOn(root: string): string[] {
    const devices = join(root, "sys/bus/pci/devices");
    return ["0000:00:02.0", "0000:00:04.0", "0000:00:05.0"].filter(
      (name) => readFileSync(join(devices, name, "enable"), "utf8") === "1",
    );
  }

  async monitor(): Promise<Monitor> {
    const policy = parsePolicy(POLICY.replace("HOST", join(this.folder, "data")), {
      file: join(this.folder, "policy.yaml"),
    });
    return await Monitor.start({ policy, vms: [this.vm] });
  }

  close(): void {
    this.#closed = true;
    for (const server of [this.#doorbells, this.#channels]) server.close();
    for (const socket of [...this.#guests, this.#host]) socket?.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
