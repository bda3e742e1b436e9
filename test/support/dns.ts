// A name server on 127.0.0.1 that says what a test wants: real packets over UDP and TCP, so that the resolver is tested
// with the rest.

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { parseIp } from "@ringway/control";
import type { HostLookupOptions } from "@ringway/monitor";

/** Addresses of both families in the order of the answer, or how not to answer. */
export type Answer = readonly string[] | Alias | Pointer | "nxdomain" | "servfail" | "refused" | "silence";

/** Names of the address whose name under in-addr.arpa or ip6.arpa this is. */
export interface Pointer {
  readonly names: readonly string[];
}

/** The name is another one, which has the addresses. */
export interface Alias {
  readonly alias: string;
  readonly addresses: readonly string[];
}

/** Answers that differ by what is asked for. */
export interface ByType {
  readonly a: Answer;
  readonly aaaa: Answer;
}

export interface NameServer extends AsyncDisposable {
  /** `127.0.0.1:port`, as HostLookupOptions.nameServers has it. */
  readonly address: string;
  /** A MonitorOptions.names that asks this server, and nobody else. */
  readonly names: HostLookupOptions;
  /** The zone: change it as the test goes on. Names that it lacks do not exist. */
  readonly zone: Map<string, Answer | ByType>;
  /** Times to live, in seconds, of names' answers; 0 where none stands here. */
  readonly ttls: Map<string, number>;
  /** Names asked for as they were written, once for each question. */
  readonly asked: string[];
  /** Names asked for over TCP, once for each question. */
  readonly askedByTcp: string[];
  /** Names whose answers by UDP wait until this settles; of "name AAAA" that one's alone. */
  readonly held: Map<string, Promise<void>>;
}

const TYPE_A = 1;
const TYPE_CNAME = 5;
const TYPE_PTR = 12;
const TYPE_AAAA = 28;
const RESPONSE = 0x8180;
const TRUNCATED = 0x0200;
const CODES = { nxdomain: 3, servfail: 2, refused: 5 } as const;
/** Longer answers come over TCP alone, whatever the asker says that it takes. */
const UDP_BYTES_MAX = 512;

export async function nameServer(zone: Record<string, Answer | ByType> = {}): Promise<NameServer> {
  const answers = new Map(Object.entries(zone));
  const ttls = new Map<string, number>();
  const asked: string[] = [];
  const askedByTcp: string[] = [];
  const held = new Map<string, Promise<void>>();
  const { udp, tcp, port } = await bothOnOnePort();

  const replyTo = (query: Buffer, log: string[]): Buffer | undefined => {
    const { name, type, end } = question(query);
    log.push(name);
    const found = answers.get(name.toLowerCase()) ?? "nxdomain";
    const answer =
      typeof found === "object" && "a" in found ? (type === TYPE_A ? found.a : found.aaaa) : found;
    return answer === "silence"
      ? undefined
      : reply(query.subarray(0, end), type, answer, ttls.get(name.toLowerCase()) ?? 0);
  };
  udp.on("message", async (query, from) => {
    const message = replyTo(query, asked);
    const { name, type } = question(query);
    await held.get(name.toLowerCase());
    if (type === TYPE_AAAA) await held.get(`${name.toLowerCase()} AAAA`);
    if (message === undefined) return;
    if (message.length <= UDP_BYTES_MAX) udp.send(message, from.port, from.address);
    else {
      const { end } = question(query);
      const head = Buffer.from(message.subarray(0, end));
      head.writeUInt16BE(RESPONSE | TRUNCATED, 2);
      head.writeUInt16BE(0, 6);
      udp.send(head, from.port, from.address);
    }
  });
  const sockets = new Set<Socket>();
  tcp.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    let received = Buffer.alloc(0);
    socket.on("data", (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const message = replyTo(received.subarray(2, end), askedByTcp);
        received = received.subarray(end);
        if (message === undefined) continue;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(message.length, 0);
        socket.write(Buffer.concat([length, message]));
      }
    });
  });
  const address = `127.0.0.1:${port}`;
  return {
    address,
    names: { nameServers: [address] },
    zone: answers,
    ttls,
    asked,
    askedByTcp,
    held,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
    },
  };
}

/** A port that is free for UDP may be somebody's for TCP: then another one. */
async function bothOnOnePort(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (;;) {
    const udp = createSocket("udp4");
    udp.bind(0, "127.0.0.1");
    await once(udp, "listening");
    const { port } = udp.address();
    const tcp = createServer();
    tcp.listen(port, "127.0.0.1");
    const listens = await once(tcp, "listening").then(
      () => true,
      () => false,
    );
    if (listens) return { udp, tcp, port };
    udp.close();
  }
}

/** The one question of a query; `end` is where it ends. */
function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString("ascii", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join("."), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function reply(head: Buffer, type: number, answer: Exclude<Answer, "silence">, ttl: number): Buffer {
  const code = typeof answer === "string" ? CODES[answer] : 0;
  const records: Buffer[] = [];
  if (typeof answer === "object" && "names" in answer) {
    if (type === TYPE_PTR)
      records.push(...answer.names.map((name) => record(QUESTION_NAME, type, nameBytes(name), ttl)));
  } else if (typeof answer === "object") {
    const bytes = type === TYPE_A ? 4 : type === TYPE_AAAA ? 16 : 0;
    const isAlias = "alias" in answer;
    const owner = isAlias ? nameBytes(answer.alias) : QUESTION_NAME;
    if (isAlias) records.push(record(QUESTION_NAME, TYPE_CNAME, owner, ttl));
    for (const text of isAlias ? answer.addresses : answer) {
      const address = parseIp(text)!;
      if (address.length === bytes) records.push(record(owner, type, address, ttl));
    }
  }
  const message = Buffer.concat([head, ...records]);
  message.writeUInt16BE(RESPONSE | code, 2);
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(records.length, 6);
  message.writeUInt32BE(0, 8);
  return message;
}

/** A pointer to the name of the question. */
const QUESTION_NAME = Buffer.from([0xc0, 0x0c]);

/** Name | type | class IN | time to live | length | data */
function record(name: Buffer, type: number, data: Uint8Array, ttl: number): Buffer {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(1, 2);
  fields.writeUInt32BE(ttl, 4);
  fields.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, fields, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name
    .split(".")
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.alloc(1)]);
}
