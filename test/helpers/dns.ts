// A name server on 127.0.0.1 that says what a test wants: real packets, so that the resolver is tested with the rest.

import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { parseIp } from "@ringway/control";
import type { Lookup } from "@ringway/monitor";

/** Addresses of both families in the order of the answer, or how not to answer. */
export type Answer = readonly string[] | "nxdomain" | "servfail" | "silence";

export interface NameServer extends AsyncDisposable {
  /** The zone: change it as the test goes on. Names that it lacks do not exist. */
  readonly zone: Map<string, Answer>;
  /** Names asked for, once for each question. */
  readonly asked: string[];
  /** A MonitorOptions.lookup that asks this server, and nobody else. */
  readonly lookup: Lookup;
}

const TYPE_A = 1;
const TYPE_AAAA = 28;
const RESPONSE = 0x8180;
const SERVFAIL = 2;
const NXDOMAIN = 3;

export async function nameServer(zone: Record<string, Answer> = {}): Promise<NameServer> {
  const answers = new Map(Object.entries(zone));
  const asked: string[] = [];
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", (query, from) => {
    const { name, type, end } = question(query);
    asked.push(name);
    const answer = answers.get(name) ?? "nxdomain";
    if (answer === "silence") return;
    socket.send(reply(query.subarray(0, end), type, answer), from.port, from.address);
  });
  const servers = [`127.0.0.1:${socket.address().port}`];
  const lookup: Lookup = async (name, signal) => {
    const resolver = new Resolver({ timeout: 5000, tries: 1 });
    resolver.setServers(servers);
    signal.addEventListener("abort", () => resolver.cancel());
    const results = await Promise.allSettled([resolver.resolve6(name), resolver.resolve4(name)]);
    const addresses = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const failed = results.find((result) => result.status === "rejected");
    if (addresses.length === 0 && failed !== undefined) throw failed.reason;
    return addresses;
  };
  return {
    zone: answers,
    asked,
    lookup,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

/** The one question of a query; `end` is where it ends. */
function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString("ascii", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function reply(head: Buffer, type: number, answer: Exclude<Answer, "silence">): Buffer {
  const code = answer === "nxdomain" ? NXDOMAIN : answer === "servfail" ? SERVFAIL : 0;
  const bytes = type === TYPE_A ? 4 : type === TYPE_AAAA ? 16 : 0;
  const addresses = typeof answer === "string" ? [] : answer.map((text) => parseIp(text)!);
  const records = addresses
    .filter(({ length }) => length === bytes)
    .map((address) => {
      // Name (a pointer to the question's) | type | class IN | time to live 0 | length | address
      const record = Buffer.alloc(12 + bytes);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt16BE(bytes, 10);
      record.set(address, 12);
      return record;
    });
  const message = Buffer.concat([head, ...records]);
  message.writeUInt16BE(RESPONSE | code, 2);
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(records.length, 6);
  message.writeUInt32BE(0, 8);
  return message;
}
