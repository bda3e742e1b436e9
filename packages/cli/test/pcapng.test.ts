// Packets and blocks of a capture, byte by byte; what a program makes of whole captures: test/admin/capture.test.ts.

import type { FollowedEvent } from "@ringway/monitor";
import { describe, expect, test } from "vitest";
import { conversing } from "../src/capture/conversation-packets.ts";
import { PacketWriter } from "../src/capture/packet-writer.ts";
import { SEGMENT_BYTES_MAX, TcpFlag, tcpPacket, udpPacket } from "../src/capture/packets.ts";
import { endpointOf, guestAddress, hostEndpoint } from "../src/capture/parties.ts";
import { captureHead, nameBlock, packetBlock } from "../src/capture/pcapng.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const at = (text: string) => endpointOf(text)!;

/** Naive: the words that a checksum is over, with it, are 0xffff in ones' complement. */
function isRight(words: Uint8Array): boolean {
  let sum = 0;
  for (let i = 0; i < words.length; i += 2) {
    sum += words[i]! * 256 + (words[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum === 0xffff;
}

/** Of a packet: is its header right, and what it carries? */
function checksums(packet: Uint8Array): boolean {
  const isFour = packet[0] === 0x45;
  const head = isFour ? 20 : 40;
  const addresses = packet.subarray(isFour ? 12 : 8, head);
  const length = packet.length - head;
  const pseudo = Buffer.from([...addresses, 0, packet[isFour ? 9 : 6]!, length >> 8, length & 255]);
  return (
    (!isFour || isRight(packet.subarray(0, 20))) && isRight(Buffer.concat([pseudo, packet.subarray(head)]))
  );
}

describe("packets", () => {
  test("a datagram has the IPv4 header that is everybody's example, checksum b861", () => {
    const packet = udpPacket(at("192.168.0.1:53"), at("192.168.0.199:7"), new Uint8Array(87));
    expect(hex(packet.subarray(0, 20))).toBe("450000730000400040 11b861c0a80001c0a800c7".replace(" ", ""));
    expect(hex(packet.subarray(20, 26))).toBe("00350007005f");
    expect(checksums(packet)).toBe(true);
  });

  test.each([
    ["10.0.0.1:1024", "93.184.216.34:443"],
    ["[fd52:6e67::1]:1024", "[2606:2800:220:1::1946]:443"],
  ])("from %s to %s they have right checksums, of every length", (from, to) => {
    const [one, two] = [at(from), at(to)];
    for (const length of [0, 1, 2, 3, 1460, SEGMENT_BYTES_MAX]) {
      const payload = Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255);
      expect(checksums(udpPacket(one, two, payload))).toBe(true);
      const flags = length === 0 ? TcpFlag.SYN : TcpFlag.ACK;
      const packet = tcpPacket({
        from: one,
        to: two,
        sequence: 2 ** 32 - 1,
        acknowledged: 7,
        flags,
        payload,
      });
      expect(checksums(packet)).toBe(true);
    }
  });

  test("addresses are read as they are written", () => {
    expect(hex(at("[::1]:80").address)).toBe(`${"00".repeat(15)}01`);
    expect(hex(at("[fe80::1%eth0]:80").address)).toBe(`fe80${"00".repeat(13)}01`);
    expect(hex(at("[::ffff:1.2.3.4]:80").address)).toBe(`${"00".repeat(10)}ffff01020304`);
    expect(hex(at("[1:2:3:4:5:6:7:8]:80").address)).toBe("00010002000300040005000600070008");
    expect(endpointOf("example.com:443")).toBe(undefined);
    expect(hostEndpoint("", "example.com:443", false)).toMatchObject({ port: 443 });
    expect(hex(guestAddress("70000", 4))).toBe("0a011170");
  });
});

describe("blocks", () => {
  test("of a head: byte order, raw IP, nanoseconds", () => {
    expect(hex(captureHead("rw", 0))).toBe(
      [
        [
          "0a0d0d0a",
          "28000000",
          "4d3c2b1a",
          "01000000",
          "ffffffffffffffff",
          "04000200",
          "72770000",
          "00000000",
        ],
        ["28000000", "01000000", "2c000000", "65000000", "00000000", "02000700", "72696e6777617900"],
        ["09000100", "09000000", "00000000", "2c000000"],
      ]
        .flat()
        .join(""),
    );
  });

  test("of a name, and of a packet that was cut, with a comment", () => {
    expect(hex(nameBlock(Uint8Array.of(10, 0, 0, 1), "web"))).toBe(
      "040000001c000000010008000a000001776562000000000 01c000000".replace(" ", ""),
    );
    const block = packetBlock({
      timeNs: 2n ** 32n + 5n,
      bytes: Uint8Array.of(1, 2, 3),
      length: 9,
      comments: ["hi"],
    });
    expect(hex(block)).toBe(
      [
        ["06000000", "30000000", "00000000", "01000000", "05000000", "03000000", "09000000", "01020300"],
        ["01000200", "68690000", "00000000", "30000000"],
      ]
        .flat()
        .join(""),
    );
    expect(
      packetBlock({ timeNs: 0n, bytes: Uint8Array.of(), length: 0, comments: ["ü".repeat(5000)] }).length,
    ).toBe(4096 + 40);
  });
});

/** A conversation of web's with x.test, from its beginning. */
const begun = (more: object = {}): Extract<FollowedEvent, { kind: "opened" }> => ({
  kind: "opened",
  conversation: 1,
  timeNs: 1n,
  guest: "web",
  guestId: "3",
  stream: "3-1-1",
  protocol: "tcp-connect",
  initiator: { side: "guest", name: "web", address: "" },
  responder: { side: "host", name: "x.test:80", address: "127.0.0.1:80" },
  rule: "local",
  isWhole: true,
  ...more,
});

describe("a conversation", () => {
  const opened = (more: object = {}) => conversing(begun(more));
  const base = { conversation: 1, timeNs: 1n };
  /** Flags, sequence and acknowledgement behind the first, and bytes of each packet. */
  const seen = (packets: readonly { bytes: Uint8Array }[]): string[] =>
    packets.map(({ bytes }) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset + 20);
      const flags = view.getUint8(13);
      const names = Object.entries(TcpFlag).flatMap(([name, bit]) => ((flags & bit) !== 0 ? [name] : []));
      const payload = bytes.length - 20 - (view.getUint8(12) >> 4) * 4;
      const ack = view.getUint32(8) === 0 ? "-" : view.getUint32(8) - 1000;
      return `${view.getUint16(0) === 80 ? "<" : ">"} ${names.join("+")} ${view.getUint32(4) - 1000} ${ack} ${payload}`;
    });

  test("has a beginning, segments that are acknowledged, a hole where bytes were lost, and an end", () => {
    const one = opened();
    const bytes = new Uint8Array(SEGMENT_BYTES_MAX + 10);
    const packets = [
      ...one.begin(1n),
      ...one.data({ ...base, kind: "data", from: "initiator", bytes }),
      ...one.lost({ ...base, kind: "lost", from: "responder", lost: 100 }),
      ...one.data({ ...base, kind: "data", from: "responder", bytes: new Uint8Array(5) }),
      ...one.closed({ ...base, kind: "closed", closed: "Fin" }),
    ];
    expect(seen(packets)).toEqual([
      "> SYN 0 - 0",
      "< SYN+ACK 0 1 0",
      "> ACK 1 1 0",
      "> ACK 1 1 65000",
      "> PSH+ACK 65001 1 10",
      "< ACK 1 65011 0",
      "< PSH+ACK 101 65011 5",
      "> ACK 65011 106 0",
      "> FIN+ACK 65011 106 0",
      "< FIN+ACK 106 65012 0",
      "> ACK 65012 107 0",
    ]);
    expect(packets[0]!.comments).toEqual(["guest web, rule local, stream 3-1-1, tcp-connect x.test:80"]);
    expect(packets.at(-1)!.comments).toEqual(["closed: Fin"]);
    expect(packets.every((packet) => checksums(packet.bytes))).toBe(true);
  });

  test("that was refused has a reset behind its SYN; one in mid-flow has no SYN", () => {
    const refused = opened();
    const packets = [...refused.begin(1n), ...refused.closed({ ...base, kind: "closed", closed: "Refused" })];
    expect(seen(packets)).toEqual(["> SYN 0 - 0", "< RST+ACK 0 1 0"]);
    const amid = opened({ isWhole: false });
    expect(amid.begin(1n)).toEqual([]);
    const gone = amid.closed({ ...base, kind: "closed", closed: "GuestGone" });
    expect(seen(gone)).toEqual(["> RST+ACK 0 0 0"]);
    expect(gone[0]!.comments).toEqual([expect.stringMatching(/^guest web, rule local/), "closed: GuestGone"]);
  });

  test("goes on as another connection behind a hole that sequence numbers cannot say", () => {
    const one = opened();
    const lost = { ...base, kind: "lost", from: "initiator", lost: 2 ** 30 } as const;
    const hello = { ...base, kind: "data", from: "initiator", bytes: new Uint8Array(5) } as const;
    one.begin(1n);
    one.data(hello);
    expect(one.lost(lost)).toEqual([]);
    const packets = [...one.lost(lost), ...one.data(hello)];
    expect(seen(packets)).toEqual([
      `> RST+ACK ${2 ** 30 + 6} 1 0`,
      "> SYN 1000 - 0",
      "< SYN+ACK 1000 1001 0",
      "> ACK 1001 1001 0",
      "> PSH+ACK 1001 1001 5",
      "< ACK 1001 1006 0",
    ]);
    expect(packets[0]!.comments).toEqual([expect.stringContaining(`${2 ** 31} bytes of the initiator`)]);
    expect(packets[1]!.comments).toEqual([expect.stringMatching(/^guest web, rule local/)]);
    expect(one.lost(lost)).toEqual([]);
  });

  test("of a Unix listener has a port of its own, wherever its path ends", () => {
    const ports = [1, 2].map((conversation) => {
      const responder = { side: "guest", name: "web", address: "/run/x:80" };
      const initiator = { side: "host", name: "", address: "" };
      return opened({ conversation, protocol: "unix-listen", initiator, responder }).guest.port;
    });
    expect(ports[0]).not.toBe(ports[1]);
  });
});

describe("a capture", () => {
  const text = (blocks: readonly Uint8Array[]): string => Buffer.concat(blocks).toString("latin1");

  test("says in each file whose a conversation is, once, with the guest's name before it", () => {
    const writer = new PacketWriter(Number.POSITIVE_INFINITY);
    const data = {
      kind: "data",
      conversation: 1,
      timeNs: 2n,
      from: "responder",
      bytes: new Uint8Array(5),
    } as const;
    writer.blocks(begun());
    writer.blocks(data);
    writer.forget();
    const [name, first] = writer.blocks(data);
    expect(hex(name!)).toBe(hex(nameBlock(Uint8Array.of(10, 0, 0, 3), "web")));
    expect(text([first!])).toContain("guest web, rule local, stream 3-1-1, tcp-connect x.test:80");
    expect(text(writer.blocks(data))).not.toContain("web");
  });

  test("has nothing of a guest's that a terminal obeys, or that passes for a rule", () => {
    const writer = new PacketWriter(Number.POSITIVE_INFINITY);
    const name = "a, rule admin\n\x1b[31mred\0z";
    const said = text(
      writer.blocks(begun({ rule: "", guest: "w\x1b", responder: { side: "host", name, address: "" } })),
    );
    expect(said).toContain(
      "guest w\\u{1b}, rule -, stream 3-1-1, tcp-connect a, rule admin\\u{a}\\u{1b}[31mred\\u{0}z",
    );
    expect(said).not.toContain("\x1b[");
  });

  test("counts the conversations that it has nothing of", () => {
    const writer = new PacketWriter(Number.POSITIVE_INFINITY);
    expect(writer.blocks({ kind: "missed", missed: 7 })).toEqual([]);
    writer.blocks({ kind: "missed", missed: 2 });
    expect(writer.missed).toBe(9);
  });
});
