// Frames made by hand, with the arithmetic: what each codec writes and reads. `bytes` is hexadecimal; a part in quotes
// is ASCII, and NxM is the byte N, M times.

import {
  addressed,
  type Codec,
  cobs,
  jsonLines,
  lengthDelimited,
  netstring,
  varintDelimited,
} from "../src/index.ts";

export interface Vector {
  readonly why: string;
  readonly message: unknown;
  readonly bytes: string;
  /** The message has this one frame, and another one is read as well. */
  readonly readOnly?: true;
}

export interface BadVector {
  readonly bytes: string;
  readonly malformed: RegExp;
  readonly offset: number;
  readonly used?: number;
}

export interface Suite {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly maxBytes: number;
  readonly good: readonly Vector[];
  readonly bad: readonly BadVector[];
}

/** Bytes of the notation above. */
export function hex(text: string): Uint8Array {
  const parts = text.match(/'[^']*'|[0-9a-f]{2}x\d+|[0-9a-f]{2}/g) ?? [];
  return Uint8Array.from(
    parts.flatMap((part) => {
      if (part.startsWith("'")) return [...part.slice(1, -1)].map((letter) => letter.charCodeAt(0));
      const [byte, times = "1"] = part.split("x");
      return new Array<number>(Number(times)).fill(Number.parseInt(byte!, 16));
    }),
  );
}

const suite = <M>(
  name: string,
  codec: Codec<M>,
  maxBytes: number,
  good: readonly Vector[],
  bad: readonly BadVector[] = [],
): Suite => ({ name, codec: codec as Codec<unknown>, maxBytes, good, bad });

const hello = hex("'hello'");

const LENGTHS: readonly Suite[] = [
  suite(
    "lengthDelimited(), as tokio-util's default",
    lengthDelimited(),
    // 4 of the length, and 8 * 1024 * 1024.
    8388612,
    [
      { why: "5 in four bytes, the highest first", message: hello, bytes: "00000005 'hello'" },
      { why: "nothing is a message", message: hex(""), bytes: "00000000" },
      { why: "300 = 1 * 256 + 44, and 44 = 0x2c", message: hex("61x300"), bytes: "0000012c 61x300" },
    ],
    // 8 MiB = 0x800000, and one more is too much.
    [{ bytes: "00800001", malformed: /more than 8388608/, offset: 0 }],
  ),
  suite(
    "lengthDelimited() with a length of 1 byte",
    lengthDelimited({ widthBytes: 1 }),
    // No length is larger than 255: 1 + 255.
    256,
    [{ why: "255 = 0xff", message: hex("07x255"), bytes: "ff 07x255" }],
  ),
  suite(
    "lengthDelimited() with a length of 3 bytes, little endian",
    lengthDelimited({ widthBytes: 3, littleEndian: true, maxFrameBytes: 1000 }),
    1003,
    [{ why: "300 = 0x00012c, the lowest first", message: hex("61x300"), bytes: "2c0100 61x300" }],
    [{ bytes: "e90300", malformed: /more than 1000/, offset: 0 }],
  ),
  suite(
    "lengthDelimited() with a length of 8 bytes",
    lengthDelimited({ widthBytes: 8, maxFrameBytes: 16 }),
    24,
    [{ why: "5 in eight bytes", message: hello, bytes: "0000000000000005 'hello'" }],
    [
      { bytes: "0000000000000011", malformed: /more than 16/, offset: 0 },
      // 2^64 - 1 has no place in a double, and is too large all the same.
      { bytes: "ffx8", malformed: /more than 16/, offset: 0 },
      // 2^53 + 1 would be 2^53.
      { bytes: "0020000000000001", malformed: /more than 16/, offset: 0 },
    ],
  ),
  suite(
    "lengthDelimited() whose length counts its own 2 bytes",
    lengthDelimited({ widthBytes: 2, adjustment: -2 }),
    // 65,535 is the largest length; 2 + 65535 - 2.
    65535,
    [{ why: "2 + 5 = 7", message: hello, bytes: "0007 'hello'" }],
    [{ bytes: "0001", malformed: /within the 2 bytes/, offset: 0 }],
  ),
  suite(
    "lengthDelimited() that keeps its head, as tokio-util's with num_skip(0)",
    lengthDelimited({ widthBytes: 2, adjustment: 2, skipBytes: 0, maxFrameBytes: 100 }),
    // 0 + 100 + 2.
    102,
    [{ why: "the length is 5, the message has 2 + 5", message: hex("0005 'hello'"), bytes: "0005 'hello'" }],
    [{ bytes: "0065", malformed: /more than 100/, offset: 0 }],
  ),
  suite(
    "lengthDelimited() behind a head of 1 byte, before one of 1 byte, which both are skipped",
    lengthDelimited({ offsetBytes: 1, widthBytes: 2, adjustment: 0, skipBytes: 4, maxFrameBytes: 100 }),
    104,
    [
      { why: "1 + 2 + 1 bytes of zeros and length, then 5", message: hello, bytes: "00 0005 00 'hello'" },
      { why: "skipped whatever it is", message: hello, bytes: "ca 0005 fe 'hello'", readOnly: true },
    ],
  ),
  suite(
    "lengthDelimited() whose length counts all but what comes before it",
    lengthDelimited({ offsetBytes: 1, widthBytes: 2, adjustment: -3, skipBytes: 4, maxFrameBytes: 100 }),
    // 4 + 100 - 3.
    101,
    [
      {
        why: "2 + 1 + 5 = 8: the length, the byte behind it, and the message",
        message: hello,
        bytes: "00 0008 00 'hello'",
      },
    ],
    [{ bytes: "00 0002 00", malformed: /within the 4 bytes/, offset: 1 }],
  ),
  suite(
    "lengthDelimited() that could give an empty frame for ever",
    lengthDelimited({ widthBytes: 1, skipBytes: 0 }),
    255,
    [],
    [{ bytes: "00", malformed: /a length of 0 ends within the 1 bytes/, offset: 0 }],
  ),
];

const OTHERS: readonly Suite[] = [
  suite(
    "varintDelimited()",
    varintDelimited({ maxMessageBytes: 16384 }),
    // 5 of a length, and 16,384.
    16389,
    [
      { why: "5 has seven bits", message: hello, bytes: "05 'hello'" },
      { why: "127 = 0x7f, the most for one byte", message: hex("61x127"), bytes: "7f 61x127" },
      { why: "128 = 1 * 128 + 0: 0x80 | 0, then 1", message: hex("61x128"), bytes: "8001 61x128" },
      { why: "300 = 2 * 128 + 44: 0x80 | 44 = 0xac, then 2", message: hex("61x300"), bytes: "ac02 61x300" },
      {
        why: "16384 = 1 * 128 * 128: two bytes of no bits",
        message: hex("62x16384"),
        bytes: "808001 62x16384",
      },
      { why: "5 in more bytes than it takes", message: hello, bytes: "858000 'hello'", readOnly: true },
    ],
    [
      { bytes: "818001", malformed: /16385 is more than 16384/, offset: 0 },
      { bytes: "ffx4 7f", malformed: /is more than 16384/, offset: 0 },
      { bytes: "80x5", malformed: /within five bytes/, offset: 4 },
    ],
  ),
  suite(
    "netstring()",
    netstring({ maxMessageBytes: 99 }),
    // Two digits, colon, 99, comma.
    103,
    [
      { why: "5 is '5'", message: hello, bytes: "'5:hello,'" },
      { why: "nothing", message: hex(""), bytes: "'0:,'" },
      { why: "ten has two digits", message: hex("00x10"), bytes: "'10:' 00x10 ','" },
    ],
    [
      { bytes: "'100'", malformed: /more than 2 digits/, offset: 2 },
      { bytes: "'05:'", malformed: /a zero before/, offset: 0 },
      { bytes: "':'", malformed: /no digit/, offset: 0 },
      { bytes: "'5;'", malformed: /no digit/, offset: 1 },
      { bytes: "'5:hello.'", malformed: /no comma/, offset: 7 },
    ],
  ),
  suite(
    "cobs()",
    cobs({ maxMessageBytes: 600 }),
    // 600 + 2 codes for 254 bytes each + 1 for the rest + the zero: 600 / 254 = 2.36.
    604,
    [
      { why: "nothing: the end is one byte away", message: hex(""), bytes: "01 00" },
      { why: "a zero one byte away, and the end one behind it", message: hex("00"), bytes: "01 01 00" },
      { why: "a zero 3 away, the end 2 behind", message: hex("11 22 00 33"), bytes: "03 11 22 02 33 00" },
      { why: "a zero at the end", message: hex("11 00"), bytes: "02 11 01 00" },
      {
        why: "254 bytes fill a block: 255, and no code behind",
        message: hex("01x254"),
        bytes: "ff 01x254 00",
      },
      {
        why: "254 bytes, and a code that says so for nothing",
        message: hex("01x254"),
        bytes: "ff 01x254 01 00",
        readOnly: true,
      },
      { why: "255 = 254 + 1", message: hex("01x255"), bytes: "ff 01x254 02 01 00" },
      { why: "a full block, then a zero", message: hex("01x254 00"), bytes: "ff 01x254 01 01 00" },
      {
        why: "600 = 254 + 254 + 92, and 92 + 1 = 0x5d",
        message: hex("01x600"),
        bytes: "ff 01x254 ff 01x254 5d 01x92 00",
      },
    ],
    [
      { bytes: "00", malformed: /without a code/, offset: 0, used: 1 },
      { bytes: "02 00", malformed: /beyond the frame/, offset: 0, used: 2 },
      { bytes: "02 11 05 22 00", malformed: /beyond the frame/, offset: 2, used: 5 },
      { bytes: "01x604", malformed: /no zero within 604/, offset: 603 },
      // 602 zeros of 602 codes: the frame is no larger than it may be, the message is.
      { bytes: "01x602 00", malformed: /more than 600/, offset: 0, used: 603 },
    ],
  ),
  suite(
    "jsonLines()",
    jsonLines({ maxLineBytes: 32 }),
    32,
    [
      { why: "as JSON.stringify() writes it", message: { a: [1, "x"] }, bytes: `'{"a":[1,"x"]}' 0a` },
      { why: "null is a message", message: null, bytes: "'null' 0a" },
      { why: "U+00E9 is c3 a9", message: "é", bytes: "22 c3a9 22 0a" },
      { why: "an LF in a text is no end", message: "a\nb", bytes: "'\"a\\nb\"' 0a" },
      { why: "CR LF", message: 7, bytes: "'7' 0d 0a", readOnly: true },
    ],
    [
      { bytes: "'{' 0a", malformed: /not JSON/, offset: 0, used: 2 },
      { bytes: "0a", malformed: /not JSON/, offset: 0, used: 1 },
      { bytes: "22 ff 22 0a", malformed: /not UTF-8/, offset: 0, used: 4 },
      { bytes: "20x32", malformed: /within 32 bytes/, offset: 31 },
    ],
  ),
  suite(
    "addressed(lengthDelimited()), DFIR's Message",
    addressed(lengthDelimited()),
    8388612,
    [
      {
        why: "length 4 + 5 = 9; 0x01020304 is the address",
        message: { address: 0x01020304, batch: hello },
        bytes: "00000009 01020304 'hello'",
      },
      {
        why: "2^32 - 1, and no batch",
        message: { address: 0xffffffff, batch: hex("") },
        bytes: "00000004 ffffffff",
      },
    ],
    [{ bytes: "00000003 010203", malformed: /no room for an address/, offset: 0, used: 7 }],
  ),
  suite("addressed(netstring())", addressed(netstring({ maxMessageBytes: 50 })), 54, [
    { why: "4 + 1 = 5", message: { address: 258, batch: hex("'!'") }, bytes: "'5:' 00000102 '!,'" },
  ]),
  suite("addressed(cobs())", addressed(cobs({ maxMessageBytes: 50 })), 52, [
    {
      why: "00 00 00 07 '!': three zeros one away each, the end 3 behind the last",
      message: { address: 7, batch: hex("'!'") },
      bytes: "01 01 01 03 07 '!' 00",
    },
  ]),
  suite("addressed(varintDelimited())", addressed(varintDelimited({ maxMessageBytes: 50 })), 55, [
    { why: "4 + 1 = 5", message: { address: 1, batch: hex("'!'") }, bytes: "05 00000001 '!'" },
  ]),
];

export const SUITES: readonly Suite[] = [...LENGTHS, ...OTHERS];
