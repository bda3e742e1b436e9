// All protocols (STR-4). Another one is an entry here: its judge, and who opens it.

import { Errno, type InetAddress, Protocol, protocolName } from "@ringway/control";
import type { Explained, Opener } from "../guests/opener.ts";
import type { Relay } from "../guests/relay.ts";
import type { Granted, Stream } from "../guests/stream.ts";
import { refusal } from "../policy/refusal.ts";
import type { Decision } from "../policy/types.ts";
import { ECHO } from "./echo.ts";
import { FILE } from "./files/file.ts";
import { FILE_STREAM } from "./files/file-stream.ts";
import { FS } from "./files/fs.ts";
import { MOUNT } from "./files/mount/mount.ts";
import type { RelayHost } from "./host.ts";
import { OpeningRelay } from "./opening.ts";
import type { ProtocolEntry, Rules } from "./protocol.ts";
import { RESOLVE } from "./resolve.ts";
import { TCP_CONNECT } from "./tcp-connect.ts";
import { TCP_LISTEN } from "./tcp-listen.ts";
import { UDP_BIND } from "./udp/bind.ts";
import { UDP_CONNECT } from "./udp/connect.ts";
import { UNIX_CONNECT } from "./unix-connect.ts";
import { UNIX_LISTEN } from "./unix-listen.ts";

export const PROTOCOLS: ReadonlyMap<number, ProtocolEntry<unknown>> = new Map<number, ProtocolEntry<unknown>>(
  [
    [Protocol.ECHO, ECHO],
    [Protocol.TCP_CONNECT, TCP_CONNECT],
    [Protocol.TCP_LISTEN, TCP_LISTEN],
    [Protocol.FILE, FILE],
    [Protocol.FILE_STREAM, FILE_STREAM],
    [Protocol.FS, FS],
    [Protocol.UDP_CONNECT, UDP_CONNECT],
    [Protocol.UDP_BIND, UDP_BIND],
    [Protocol.RESOLVE, RESOLVE],
    [Protocol.UNIX_CONNECT, UNIX_CONNECT],
    [Protocol.UNIX_LISTEN, UNIX_LISTEN],
    [Protocol.MOUNT, MOUNT],
  ],
);

export class Protocols implements Opener {
  readonly #host: RelayHost;

  constructor(host: RelayHost) {
    this.#host = host;
  }

  relayFor(stream: Stream): Relay {
    return new OpeningRelay(this.#host, PROTOCOLS, stream);
  }

  allowsStill(guest: Explained, protocol: number, granted: Granted, to: InetAddress | undefined): boolean {
    const entry = PROTOCOLS.get(protocol);
    if (entry === undefined) return false;
    const rules = { ...this.#rules(guest), granted };
    const { decision, asked } = entry.judge(rules, granted.body);
    if (!decision.allowed || to === undefined || entry.judgeAddress === undefined) return decision.allowed;
    return entry.judgeAddress(rules, asked, to).allowed;
  }

  isOverNetwork(protocol: number): boolean {
    return PROTOCOLS.get(protocol)?.network !== undefined;
  }

  explain(guest: Explained, protocol: number, body: Uint8Array): Decision {
    const entry = PROTOCOLS.get(protocol);
    if (entry !== undefined) return entry.judge(this.#rules(guest), body).decision;
    const reason = `the host does not know ${protocolName(protocol)}`;
    return { allowed: false, ...refusal(Errno.EPROTONOSUPPORT, reason) };
  }

  #rules({ policy: { matcher }, names, tenant }: Explained): Rules {
    const { ownPorts, published } = this.#host;
    return { matcher, ownPorts, published, names, tenant };
  }
}
