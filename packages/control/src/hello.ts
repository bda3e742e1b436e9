// The one message of the attach socket (PROTOCOL.md section 21): the monitor hands a process its region and bells.

import { ProtocolError, Violation } from "./errors.ts";
import { MAGIC_HIGH, MAGIC_LOW, VERSION_MAJOR, VERSION_MINOR } from "./layout.ts";

/** Size of the whole message (HEL-1). */
export const HELLO_BYTES = 32;

/** Descriptors that come with an accepting hello, in this order (HEL-2). */
export const HelloDescriptor = { REGION: 0, BELL_TO_HOST: 1, BELL_TO_GUEST: 2 } as const;
/** How many there are. */
export const HELLO_DESCRIPTORS = 3;

/** What the message says beside magic and version. */
export interface Hello {
  /** 0, or the Linux errno with which the monitor turns the guest away; then no descriptors come. */
  readonly errno: number;
  /** Size of the region, in pages of 4096 bytes; 0 where the guest is turned away. */
  readonly regionPages: number;
}

/** The message, HELLO_BYTES long. */
export function encodeHello(hello: Hello): Uint8Array {
  const bytes = new Uint8Array(HELLO_BYTES);
  const view = new DataView(bytes.buffer);
  const words = [MAGIC_LOW, MAGIC_HIGH, VERSION_MAJOR, VERSION_MINOR, hello.errno, hello.regionPages];
  for (const [index, word] of words.entries()) view.setUint32(4 * index, word, true);
  return bytes;
}

/** Throws ProtocolError where this is no hello, or of another major version (HEL-3). */
export function decodeHello(bytes: Uint8Array): Hello {
  if (bytes.length !== HELLO_BYTES)
    throw bad("HEL-1", `a hello has ${HELLO_BYTES} bytes, not ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (index: number): number => view.getUint32(4 * index, true);
  if (word(0) !== MAGIC_LOW || word(1) !== MAGIC_HIGH)
    throw bad("HEL-1", "no magic: this is not a Ringway monitor");
  if (word(2) !== VERSION_MAJOR)
    throw bad("HEL-3", `the monitor speaks version ${word(2)}, this guest ${VERSION_MAJOR}`);
  return { errno: word(4), regionPages: word(5) };
}

function bad(clause: string, what: string): ProtocolError {
  return new ProtocolError(Violation.SUPERBLOCK, clause, what);
}
