// Vectors: bytes and words, the clauses that they show, and what must come out. They lie as JSON in the package's
// folder vectors; docs/conformance.md says what each kind means.

import { readdirSync, readFileSync } from "node:fs";
import type { Fields } from "./catalogue.ts";
import type { Reply } from "./contract.ts";

/** What vectors of all kinds have. */
export interface AnyVector {
  readonly name: string;
  readonly clauses: readonly string[];
  /** What must be found instead of anything else: a name of ERR-4. */
  readonly violation?: string;
}

/** A payload and its fields; or bytes that are none, or fields that no payload can carry. */
export interface MessageVector extends AnyVector {
  readonly kind: "message";
  readonly message: string;
  readonly from: "guest" | "host";
  readonly payload?: string;
  readonly fields?: Fields;
  readonly invalid?: true;
}

/** Bytes that the host puts on a ring to the guest, and the frames that the guest takes from it. */
export interface FrameVector extends AnyVector {
  readonly kind: "frame";
  readonly ring: number;
  readonly bytes: string;
  readonly frames: readonly { readonly type: number; readonly request: number; readonly payload: string }[];
  /** The host stores END behind the bytes, whatever comes of it. */
  readonly ends?: true;
  /** How it stands when those are taken. */
  readonly then: "again" | "end" | "reset" | "violation";
}

/** Words of a superblock that is otherwise as it should be. */
export interface SuperblockVector extends AnyVector {
  readonly kind: "superblock";
  readonly pages: number;
  readonly words: Readonly<Record<string, number>>;
  readonly status: "ok" | "violation";
}

/** Words of the superblock as a guest finds them when it attaches, and what it may ask with. */
export interface AttachVector extends AnyVector {
  readonly kind: "attach";
  readonly words: Readonly<Record<string, number>>;
  /** After the guest asked: words that the host stores, and what poll answers then. */
  readonly answer?: Readonly<Record<string, number | "request">>;
  readonly status?: string;
}

/** Words of a pipe's header and bytes of a ring, one command, the reply, and words as they must be afterwards. */
export interface RingVector extends AnyVector {
  readonly kind: "ring";
  readonly toHost: number;
  readonly toGuest: number;
  /** Both positions of both rings, before. */
  readonly start: number;
  readonly words: Readonly<Record<string, number>>;
  /** Bytes of the data area to the guest: offset in it, hex. */
  readonly data?: readonly (readonly [number, string])[];
  readonly do: { readonly send?: string; readonly recv?: number };
  readonly reply: Reply;
  readonly after: Readonly<Record<string, number>>;
  /** Bytes of the data area to the host, afterwards. */
  readonly found?: readonly (readonly [number, string])[];
}

/** A stream's id, and the words of the doorbell area that stand for it. */
export interface BellVector extends AnyVector {
  readonly kind: "bell";
  readonly id: number;
  /** Words from the start of a direction's two pages. */
  readonly words: Readonly<Record<string, number>>;
}

export type Vector = MessageVector | FrameVector | SuperblockVector | AttachVector | RingVector | BellVector;

const FOLDER = new URL("../vectors/", import.meta.url);

/** All vectors, by file. */
export function loadVectors(): Map<string, Vector[]> {
  const files = readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort();
  return new Map(
    files.map((file) => [file, JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Vector[]]),
  );
}

/** Hex as the vectors have it: parts with spaces between them, each perhaps repeated: "0400 61*3". */
export function hexOf(text: string): string {
  const parts = text.split(" ").map((part) => {
    const [hex, times = "1"] = part.split("*");
    return hex!.repeat(Number(times));
  });
  return parts.join("");
}
