// Who competes in a row: the C load generators through each relay that is there, and straight.

import type { Contender, Peer } from "./rows.ts";
import { BUSY_POLL_US, type ServerName, type Setting } from "./setting.ts";

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
