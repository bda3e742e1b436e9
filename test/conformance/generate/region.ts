// Superblocks, attach requests and hellos.

import { le32, toHex } from "../../../packages/conformance/src/catalogue.ts";
import type {
  AttachVector,
  MessageVector,
  SuperblockVector,
} from "../../../packages/conformance/src/vectors.ts";

export function superblockVectors(): SuperblockVector[] {
  const vector = (
    name: string,
    clauses: string,
    words: Record<string, number>,
    status: "ok" | "violation",
  ): SuperblockVector => ({
    name,
    clauses: clauses.split(" "),
    kind: "superblock",
    pages: 64,
    words,
    status,
  });
  return [
    vector("as it should be", "SB-1 SB-2", {}, "ok"),
    vector("a region that is larger than it says", "SB-2", { "0x010": 60 }, "ok"),
    vector("a magic that is off in its low word", "SB-2", { "0x000": 0x474e4953 }, "violation"),
    vector("a magic that is off in its high word", "SB-2", { "0x004": 0x31594158 }, "violation"),
    vector("no magic at all", "SB-2", { "0x000": 0, "0x004": 0 }, "violation"),
    vector(
      "a magic in the other byte order",
      "SB-1 SB-2",
      { "0x000": 0x52494e47, "0x004": 0x57415931 },
      "violation",
    ),
    vector("more pages than there are", "SB-2", { "0x010": 65 }, "violation"),
    vector("2^32 - 1 pages", "SB-2 LIM-1", { "0x010": 0xffff_ffff }, "violation"),
    vector("no pages", "SB-2 TRU-6", { "0x010": 0 }, "violation"),
    vector("fewer pages than its own places need", "TRU-6", { "0x010": 8 }, "violation"),
    vector("major version 2", "VER-1", { "0x008": 2 }, "violation"),
    vector("major version 0", "VER-1", { "0x008": 0 }, "violation"),
    vector("a newer minor version", "VER-2", { "0x00c": 9 }, "ok"),
    vector("features that nobody knows", "VER-3", { "0x014": 0x8000_0001 }, "ok"),
    vector("doorbells on the superblock", "TRU-6", { "0x018": 0 }, "violation"),
    vector("doorbells past the region", "TRU-6", { "0x018": 64 }, "violation"),
    vector("doorbells that end past the region", "TRU-6", { "0x018": 61 }, "violation"),
    vector("doorbells whose page wraps around", "TRU-6", { "0x018": 0xffff_fffe }, "violation"),
    vector("doorbells on the last four pages", "REG-2 TRU-6", { "0x018": 60 }, "ok"),
    vector("a control pipe on the superblock", "TRU-6", { "0x01c": 0 }, "violation"),
    vector("a control pipe past the region", "TRU-6", { "0x01c": 64 }, "violation"),
    vector("a control pipe whose page wraps around", "TRU-6", { "0x01c": 0xffff_fff8 }, "violation"),
    vector("a control pipe on the last pages", "REG-2 TRU-6", { "0x01c": 57 }, "ok"),
    vector("a control pipe that ends a page past the region", "TRU-6", { "0x01c": 58 }, "violation"),
    vector("a control ring of no bytes", "PIPE-3", { "0x020": 0 }, "violation"),
    vector("a control ring below 4096 bytes", "PIPE-3 LIM-1", { "0x024": 2048 }, "violation"),
    vector("a control ring that is no power of two", "PIPE-3", { "0x020": 12288 }, "violation"),
    vector("a control ring of 32 MiB", "PIPE-3 LIM-1", { "0x024": 33_554_432 }, "violation"),
    vector("a control ring of 2^31 bytes", "PIPE-3 LIM-1", { "0x020": 0x8000_0000 }, "violation"),
    vector("control rings of other capacities", "PIPE-3", { "0x020": 4096, "0x024": 65536 }, "ok"),
    vector("a largest stream id above the bound", "SB-1 LIM-1", { "0x028": 0xffff_ffff }, "ok"),
  ];
}

export function attachVectors(): AttachVector[] {
  const vector = (
    name: string,
    clauses: string,
    words: Record<string, number>,
    rest: Partial<AttachVector> = {},
  ): AttachVector => ({
    name,
    clauses: clauses.split(" "),
    kind: "attach",
    words,
    ...rest,
  });
  const answer = (
    name: string,
    clauses: string,
    words: Record<string, number | "request">,
    status: string,
  ): AttachVector => vector(name, clauses, {}, { answer: words, status });
  return [
    vector("the first attach of all", "ATT-2", { "0x088": 0, "0x100": 0 }),
    vector("after others, all answered", "ATT-2", { "0x088": 41, "0x100": 41 }),
    vector("after one that was not answered", "ATT-2", { "0x088": 41, "0x100": 42 }),
    vector("a reply ahead of the request", "ATT-2", { "0x088": 42, "0x100": 41 }),
    vector("at the wrap: 0 is skipped", "ATT-2", { "0x088": 0xffff_ffff, "0x100": 0xffff_ffff }),
    vector("at the wrap: the request is the last number", "ATT-2", { "0x088": 5, "0x100": 0xffff_ffff }),
    vector("at the wrap: 0 and 1 are both taken", "ATT-2", { "0x088": 0xffff_ffff, "0x100": 1 }),
    vector("at the wrap: 1 is the reply", "ATT-2", { "0x088": 1, "0x100": 0xffff_ffff }),
    vector("at the wrap: the value after the request is the reply", "ATT-2", { "0x088": 1, "0x100": 0 }),
    vector("the value after the request is the reply", "ATT-2", { "0x088": 42, "0x100": 41, "0x104": 1 }),
    vector("words of a guest before", "ATT-2", { "0x104": 2, "0x108": 0, "0x200": 77 }),
    answer("answered, READY", "ATT-4 SB-4", { "0x084": 1, "0x088": "request" }, "attached"),
    answer("answered, DRAINING", "ATT-4 SB-4", { "0x084": 3, "0x088": "request" }, "attached"),
    answer("answered, FAILED", "ATT-4 ERR-4", { "0x084": 4, "0x08c": 7, "0x088": "request" }, "failed"),
    answer(
      "READY, but the answer is to another request",
      "ATT-4",
      { "0x084": 1, "0x088": 0x7777_7777 },
      "waiting",
    ),
    answer("RESETTING, no answer", "ATT-1 ATT-4", { "0x084": 2, "0x088": 0 }, "waiting"),
    vector(
      "answered, with a host state that cannot be",
      "SB-4",
      {},
      {
        answer: { "0x084": 5, "0x088": "request" },
        violation: "SUPERBLOCK",
      },
    ),
  ];
}

export function helloVectors(): MessageVector[] {
  const words = (...each: number[]): string => each.map((word) => toHex(le32(word))).join(" ");
  const magic = [0x474e4952, 0x31594157] as const;
  const hello = (
    name: string,
    clauses: string,
    payload: string,
    rest: Partial<MessageVector>,
  ): MessageVector => ({
    name: `Hello: ${name}`,
    clauses: clauses.split(" "),
    kind: "message",
    message: "Hello",
    from: "host",
    payload,
    ...rest,
  });
  const violation = "SUPERBLOCK";
  return [
    hello("a guest is taken", "HEL-1 HEL-2", words(...magic, 1, 0, 0, 65536, 0, 0), {
      fields: { errno: 0, regionPages: 65536 },
    }),
    hello("a guest is turned away", "HEL-1 HEL-2", words(...magic, 1, 0, 24, 0, 0, 0), {
      fields: { errno: 24, regionPages: 0 },
    }),
    hello("a newer minor version", "HEL-3 VER-2", words(...magic, 1, 9, 0, 64, 0, 0), {
      fields: { errno: 0, regionPages: 64 },
    }),
    hello("another major version", "HEL-3 VER-1", words(...magic, 2, 0, 0, 64, 0, 0), { violation }),
    hello("another magic", "HEL-3", words(magic[0], magic[1] + 1, 1, 0, 0, 64, 0, 0), { violation }),
    hello("28 bytes", "HEL-1", words(...magic, 1, 0, 0, 64, 0), { violation }),
    hello("36 bytes", "HEL-1", words(...magic, 1, 0, 0, 64, 0, 0, 0), { violation }),
    hello("nothing", "HEL-1", "", { violation }),
  ];
}
