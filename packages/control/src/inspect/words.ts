// The words of the superblock as PROTOCOL.md names them (SB-1), for people.

import * as layout from "../layout.ts";
import { loadWord, type RegionMemory } from "../memory.ts";
import type { Party, SuperblockPicture } from "./report.ts";

interface SuperblockWord {
  readonly key: keyof SuperblockPicture;
  readonly name: string;
}

/** By offset. */
const WORDS: ReadonlyMap<number, SuperblockWord> = new Map<number, SuperblockWord>([
  [layout.SB_VERSION_MAJOR, { key: "versionMajor", name: "version major" }],
  [layout.SB_VERSION_MINOR, { key: "versionMinor", name: "version minor" }],
  [layout.SB_REGION_PAGES, { key: "regionPages", name: "region pages" }],
  [layout.SB_FEATURES_OFFERED, { key: "featuresOffered", name: "features offered" }],
  [layout.SB_BELL_PAGE, { key: "bellPage", name: "doorbell page" }],
  [layout.SB_CONTROL_PAGE, { key: "controlPage", name: "control page" }],
  [layout.SB_CONTROL_TO_HOST_BYTES, { key: "controlToHostBytes", name: "control toHost bytes" }],
  [layout.SB_CONTROL_TO_GUEST_BYTES, { key: "controlToGuestBytes", name: "control toGuest bytes" }],
  [layout.SB_MAX_STREAM_ID, { key: "maxStreamId", name: "largest stream id" }],
  [layout.SB_EPOCH, { key: "epoch", name: "epoch" }],
  [layout.SB_HOST_STATE, { key: "hostState", name: "host state" }],
  [layout.SB_ATTACH_REPLY, { key: "attachReply", name: "attach reply" }],
  [layout.SB_VIOLATION, { key: "violation", name: "violation" }],
  [layout.SB_ATTACH_REQUEST, { key: "attachRequest", name: "attach request" }],
  [layout.SB_GUEST_STATE, { key: "guestState", name: "guest state" }],
  [layout.SB_FEATURES_ACCEPTED, { key: "featuresAccepted", name: "features accepted" }],
  [layout.SB_GUEST_VERSION_MINOR, { key: "guestVersionMinor", name: "guest version minor" }],
  [layout.SB_HOST_HEARTBEAT, { key: "hostHeartbeat", name: "host heartbeat" }],
  [layout.SB_GUEST_HEARTBEAT, { key: "guestHeartbeat", name: "guest heartbeat" }],
]);

export function pictureOf(page: RegionMemory): SuperblockPicture {
  const words = [...WORDS].map(([offset, { key }]) => [key, loadWord(page, offset)]);
  return Object.fromEntries(words) as unknown as SuperblockPicture;
}

/** Does this version of the protocol give the word at `offset` a meaning? */
export function hasMeaning(offset: number): boolean {
  return offset === layout.SB_MAGIC_LOW || offset === layout.SB_MAGIC_HIGH || WORDS.has(offset);
}

/** "superblock guest state". */
export function nameOfWord(offset: number): string {
  return `superblock ${WORDS.get(offset)?.name ?? `0x${offset.toString(16)}`}`;
}

/** The guest's words are on lines of their own. */
export function writerOfWord(offset: number): Party {
  if (!hasMeaning(offset)) return "either";
  const isGuests = offset >= layout.SB_ATTACH_REQUEST && offset < layout.SB_HOST_HEARTBEAT;
  return isGuests || offset === layout.SB_GUEST_HEARTBEAT ? "guest" : "host";
}
