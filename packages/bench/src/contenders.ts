// Who competes in a row: the C load generators through each relay that is there, and straight.

import { type Contender, PEERS, type Peer } from "./rows.ts";
import {
  BUSY_POLL_US,
  type Relay,
  type ServerName,
  type Setting,
  script,
  type UnixServerName,
} from "./setting.ts";

/** Rings of rows with many streams: the messages are small. */
const SMALL_RINGS = ["--ring-bytes", "4096"];

/** The C load generators, each against its peer; peers that are not there are left out. */
export function load(
  setting: Setting,
  server: ServerName,
  mode: string,
  options: readonly string[],
  peers: readonly Peer[],
  suffix = "",
): Contender[] {
  const { programs, relays, ports } = setting;
  if (programs === undefined) return [];
  return peers.flatMap((peer): Contender[] => {
    if (peer === "direct") {
      const command = [programs.plain, "--port", String(ports[server]), ...options];
      return [{ peer, mode, command, relay: undefined }];
    }
    const relay = relays.get(peer === "socat" ? `socat ${server}` : `${peer}${suffix}`);
    if (relay === undefined) return [];
    const where =
      peer === "socat"
        ? [programs.plain, "--unix", relay.socket]
        : [programs.guest, "--attach", relay.socket, "--port", String(ports[server])];
    return [{ peer, mode, command: [...where, ...options], relay }];
  });
}

/** The same with datagrams: over UDP, or by a stream of udp-connect. */
export function datagrams(
  { programs, relays, udpPort }: Setting,
  mode: string,
  bytes: number,
  suffix = "",
): Contender[] {
  if (programs === undefined || udpPort === undefined) return [];
  const size = ["--datagram-bytes", String(bytes)];
  return PEERS.flatMap((peer): Contender[] => {
    if (peer === "direct") {
      const command = [programs.udpplain, "--port", String(udpPort), ...size];
      return [{ peer, mode, command, relay: undefined }];
    }
    const relay = relays.get(peer === "socat" ? "socat udp" : `${peer}${suffix}`);
    if (relay === undefined) return [];
    const where =
      peer === "socat"
        ? [programs.udpplain, "--port", relay.socket]
        : [programs.guest, "--attach", relay.socket, "--port", String(udpPort)];
    return [{ peer, mode, command: [...where, ...size], relay }];
  });
}

/** Bulk between Unix sockets: the guest's is one of the policy's. */
export function unixStreams(setting: Setting, server: UnixServerName, mode: string): Contender[] {
  const { programs, relays, unixSockets } = setting;
  if (programs === undefined) return [];
  const { guest, host } = unixSockets[server];
  const ringway = relays.get("ringway");
  const socat = relays.get(`socat unix ${server}`);
  const contenders: Contender[] = [];
  if (ringway !== undefined) {
    const command = [programs.guest, "--attach", ringway.socket, "--unix", guest];
    contenders.push({ peer: "ringway", mode, command, relay: ringway });
  }
  if (socat !== undefined) {
    contenders.push({ peer: "socat", mode, command: [programs.plain, "--unix", socat.socket], relay: socat });
  }
  contenders.push({ peer: "direct", mode, command: [programs.plain, "--unix", host], relay: undefined });
  return contenders;
}

/** A channel of ringway cat, from a Unix socket to a server, and socat's. */
export function channels(setting: Setting, server: UnixServerName, mode: string): Contender[] {
  const { programs, relays } = setting;
  if (programs === undefined) return [];
  const [cat, socat] = [relays.get(`cat ${server}`), relays.get(`socat ${server}`)];
  const through = (peer: Peer, relay: Relay | undefined): Contender[] =>
    relay === undefined ? [] : [{ peer, mode, command: [programs.plain, "--unix", relay.socket], relay }];
  return [
    ...through("ringway", cat),
    ...through("socat", socat),
    ...load(setting, server, mode, [], ["direct"]),
  ];
}

/** Bulk through a monitor whose conversations are followed, and through one where they are not. */
export function followed(
  { programs, relays, ports }: Setting,
  whenSlow: "drop" | "backpressure",
): Contender[] {
  if (programs === undefined) return [];
  const through = (peer: Peer, relay: Relay | undefined): Contender[] => {
    if (relay === undefined) return [];
    const command = [programs.guest, "--attach", relay.socket, "--port", String(ports.sink)];
    return [{ peer, mode: "bulk-out", command, relay }];
  };
  return [
    ...through("ringway", relays.get(`followed ${whenSlow}`)),
    ...through("direct", relays.get("followed nobody")),
  ];
}

/** Hubs of ringway cat and ncat with ten in them, over TCP: ncat's has no Unix socket. */
export function hubs({ relays }: Setting): Contender[] {
  const peers = [
    ["ringway", relays.get("cat hub")],
    ["direct", relays.get("ncat hub")],
  ] as const;
  return peers.flatMap(([peer, relay]): Contender[] => {
    if (relay === undefined) return [];
    const command = [process.execPath, script("hub-child"), "--port", relay.socket];
    return [{ peer, mode: "hub", command, relay }];
  });
}

/** Reads of the cached file: by a mount, and by preadv() in as many threads as there are reads under way. */
export function mountReaders({ programs, relays, file }: Setting, options: readonly string[]): Contender[] {
  if (programs === undefined) return [];
  const relay = relays.get("ringway");
  const mode = "mount-read";
  const contenders: Contender[] = [];
  if (relay !== undefined) {
    const poll = ["--busy-poll-us", String(BUSY_POLL_US)];
    const command = [programs.guest, "--attach", relay.socket, "--path", file.guest, ...poll, ...options];
    contenders.push({ peer: "ringway", mode, command, relay });
  }
  const command = [programs.preadv, "--path", file.host, ...options];
  contenders.push({ peer: "direct", mode, command, relay: undefined });
  return contenders;
}

export function many(streams: number): string[] {
  return ["--streams", String(streams), ...SMALL_RINGS];
}

export function fileReaders(setting: Setting): Contender[] {
  const { programs, relays, file } = setting;
  if (programs === undefined) return [];
  const relay = relays.get("ringway");
  const contenders: Contender[] = [];
  if (relay !== undefined) {
    const poll = ["--busy-poll-us", String(BUSY_POLL_US)];
    const command = [programs.guest, "--attach", relay.socket, "--path", file.guest, ...poll];
    contenders.push({ peer: "ringway", mode: "file", command, relay });
  }
  const command = [programs.fileread, "--path", file.host];
  contenders.push({ peer: "c", mode: "file", command, relay: undefined });
  return contenders;
}
