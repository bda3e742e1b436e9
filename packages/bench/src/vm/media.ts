// What is compared: the ways for a guest to reach a server of the host, each with a machine and a process of its own.
//
//   ringway   vmload ── shared memory ── ringway monitor ── TCP server          the doorbell is a virtio port
//   agent     vmload ── TCP ── ringway-agent ── shared memory ── ringway monitor ── TCP server
//   slirp     vmload ── TCP ── virtio-net ── libslirp, in QEMU ── TCP server
//   passt     vmload ── TCP ── virtio-net ── QEMU ── Unix socket ── passt ── TCP server

import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Children, until } from "../children.ts";
import { isListenedOn } from "../proc.ts";
import { findProgram } from "../programs.ts";
import type { Image } from "./image.ts";
import { dying } from "./machine.ts";
import { MachineMedium, type Prepared } from "./medium.ts";
import { type MediumName, SERVERS, type Server } from "./rows.ts";

type Ports = Readonly<Record<Server, number>>;

const REGION_BYTES: number = 64 * 1024 * 1024;
/** How long the guest's library looks for work before it sleeps: see docs/performance.md. */
export const GUEST_BUSY_POLL_US = 200;
/** The guest's address, and the one that both slirp and passt take for the host's loopback. */
const GUEST = "10.0.2.15";
const GATEWAY = "10.0.2.2";
/** What DHCP of either gives: slirp's packets have Ethernet's size, passt asks for the largest. */
const SLIRP_MTU = 1500;
const PASST_MTU = 65_520;
const CARD = "virtio-net-pci,netdev=net,romfile=";

/** What all media share. */
export interface Where {
  readonly children: Children;
  /** Starts the command: its arguments follow. */
  readonly ringway: readonly string[];
  readonly image: Image;
  readonly ports: Ports;
}

export type Medium = MachineMedium<MediumName>;

export function startMedium(name: MediumName, where: Where): Promise<Medium> {
  const { children, image, ports } = where;
  return MachineMedium.start<MediumName>({
    name,
    children,
    image,
    ...(name === "ringway" && { first: `set busy-poll-us ${GUEST_BUSY_POLL_US}` }),
    async prepare(port) {
      const prepared = await prepare(name, where, [port, ...SERVERS.map((each) => ports[each])]);
      const host = name === "ringway" || name === "agent" ? "127.0.0.1" : GATEWAY;
      return { ...prepared, words: [...prepared.words, `control=${host}:${port}`] };
    },
  });
}

/** Undefined, or what is missing for it. */
export function missingFor(name: MediumName, image: Image): string | undefined {
  if (name === "passt" && findProgram("passt") === undefined) return "passt is not installed";
  return name === "agent" ? image.noAgent : undefined;
}

async function prepare(name: MediumName, where: Where, ports: readonly number[]): Promise<Prepared> {
  switch (name) {
    case "ringway":
      return await prepareRingway(where, name, ["medium=ringway"]);
    case "agent":
      return await prepareRingway(where, name, ["medium=agent", `forward=${ports.join(",")}`]);
    case "slirp":
      return networkOfQemu();
    case "passt":
      return await preparePasst(where.children);
  }
}

function networkWords(mtu: number): string[] {
  return ["medium=network", `address=${GUEST}/24`, `mtu=${mtu}`];
}

/** QEMU's own network, in which the guest calls this port of the host's. */
export function networkOfQemu(port?: number): Prepared {
  const control = port === undefined ? [] : [`control=${GATEWAY}:${port}`];
  return {
    words: [...networkWords(SLIRP_MTU), ...control],
    devices: ["-netdev", "user,id=net", "-device", CARD],
  };
}

/** A monitor, and the devices by which a guest attaches to it; `more` of its policy. */
export async function prepareRingway(
  { children, ringway }: Pick<Where, "children" | "ringway">,
  name: string,
  words: readonly string[],
  more: object = {},
): Promise<Prepared> {
  const at = (suffix: string): string => join(children.folder, `${name}.${suffix}`);
  // Made before the monitor is up, so that QEMU finds it.
  const memory = join(children.memoryFolder(2 * REGION_BYTES), name);
  writeFileSync(memory, "");
  truncateSync(memory, REGION_BYTES);
  const policy = {
    version: 1,
    connect: [{ id: "loopback", allow: "127.0.0.1" }],
    limits: { streamBytes: "8MiB" },
    ...more,
  };
  writeFileSync(at("policy.yaml"), JSON.stringify(policy));
  const vm = `${name}:memory=${memory},doorbell=${at("doorbell")}`;
  const command = [...ringway, "monitor", "--policy", at("policy.yaml"), "--vm", vm];
  const server = children.start([...dying(), ...command, "--log-level", "warn"], `${name}'s monitor`);
  const backend = `memory-backend-file,id=region,mem-path=${memory},size=${REGION_BYTES},share=on`;
  return {
    words,
    server,
    memory,
    devices: [
      ...["-object", backend, "-device", "ivshmem-plain,memdev=region"],
      ...["-chardev", `socket,id=doorbell,path=${at("doorbell")},server=on,wait=off`],
      ...["-device", "virtio-serial-pci,ioeventfd=off"],
      ...["-device", "virtserialport,chardev=doorbell,name=org.ringway.doorbell"],
    ],
  };
}

/**
 * For one machine, with which it ends, and in the foreground. As root it would become a user who may not write to the
 * run's folder. Given addresses, it asks the host's network for none.
 */
async function preparePasst(children: Children): Promise<Prepared> {
  const socket = join(children.folder, "passt.socket");
  const user = process.getuid?.() === 0 ? ["--runas", "0:0"] : [];
  const options = ["--foreground", "--one-off", "--quiet", "--ipv4-only", ...user];
  const noPorts = ["--tcp-ports", "none", "--udp-ports", "none"];
  const addresses = ["--address", GUEST, "--netmask", "24", "--gateway", GATEWAY];
  const command = ["passt", ...options, ...noPorts, ...addresses, "--socket", socket];
  const server = children.start([...dying(), ...command], "passt");
  await until(() => isListenedOn(socket), "starting passt", server);
  const netdev = `stream,id=net,server=off,addr.type=unix,addr.path=${socket}`;
  return { server, words: networkWords(PASST_MTU), devices: ["-netdev", netdev, "-device", CARD] };
}
