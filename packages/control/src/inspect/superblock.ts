// Page 0 of a region that is looked at, and the clauses that its words break (PROTOCOL.md section 4.2).

import * as layout from "../layout.ts";
import { GuestState, HostState, PAGE_BYTES } from "../layout.ts";
import { MAX_STREAM_ID } from "../limits.ts";
import { loadWord, type RegionMemory } from "../memory.ts";
import type { PipePlace } from "../pipe.ts";
import { checkPages, checkPlace, requireVersion } from "../superblock.ts";
import type { Findings } from "./findings.ts";
import type { SuperblockPicture } from "./report.ts";
import { type BoundedSource, copyInto, copyOf, NotARegionError, stillCopyOf } from "./source.ts";
import { hasMeaning } from "./words.ts";

/** The words that go together stand before the first heartbeat; heartbeats never stand still. */
const STILL_BYTES: number = layout.SB_HOST_HEARTBEAT;

/**
 * A copy of page 0 at one moment, but for heartbeats. Throws NotARegionError where it is none, or never stands still.
 */
export function copySuperblock(source: BoundedSource): RegionMemory {
  if (source.bytes < PAGE_BYTES) {
    throw new NotARegionError(`${source.bytes} bytes are less than a superblock's page`);
  }
  const page = copyOf(source, 0, PAGE_BYTES);
  const { copy, still } = stillCopyOf(source, 0, STILL_BYTES);
  page.bytes.set(copy.bytes);
  requireRegion(page);
  if (!still)
    throw new NotARegionError("the superblock changes all the time: no host and no guest write it so");
  copyInto(source, STILL_BYTES, page.bytes.subarray(STILL_BYTES));
  return page;
}

function requireRegion(page: RegionMemory): void {
  if (page.bytes.every((byte) => byte === 0)) {
    throw new NotARegionError("the first page is empty: no monitor has begun on this memory yet");
  }
  try {
    requireVersion(page);
  } catch (error) {
    throw new NotARegionError((error as Error).message);
  }
}

/** The control pipe's place, as the superblock has it. */
export function controlPlaceOf(superblock: SuperblockPicture): PipePlace {
  return {
    page: superblock.controlPage,
    toHostBytes: superblock.controlToHostBytes,
    toGuestBytes: superblock.controlToGuestBytes,
  };
}

/** What the superblock breaks. True: the doorbell area and the control pipe lie where they can be looked at. */
export function checkSuperblock(
  page: RegionMemory,
  superblock: SuperblockPicture,
  bytes: number,
  findings: Findings,
): boolean {
  checkConstants(superblock, bytes, findings);
  const isPlaced = checkPlaces(superblock, bytes, findings);
  checkStates(superblock, findings);
  checkReserved(page, findings);
  return isPlaced;
}

function checkConstants(superblock: SuperblockPicture, bytes: number, findings: Findings): void {
  const { versionMinor, featuresOffered, maxStreamId } = superblock;
  if (bytes % PAGE_BYTES !== 0) {
    findings.add("REG-1", "host", bytes, "end of the region", `${bytes} bytes are not whole pages`);
  }
  if (maxStreamId > MAX_STREAM_ID) {
    findings.word("SB-1", layout.SB_MAX_STREAM_ID, `${maxStreamId} is over ${MAX_STREAM_ID}`);
  }
  if (versionMinor <= layout.VERSION_MINOR && featuresOffered !== 0) {
    const what = `version ${layout.VERSION_MAJOR}.${versionMinor} has no features; found ${featuresOffered}`;
    findings.word("VER-3", layout.SB_FEATURES_OFFERED, what);
  }
}

function checkPlaces(superblock: SuperblockPicture, bytes: number, findings: Findings): boolean {
  const { regionPages, bellPage, controlPage } = superblock;
  if (regionPages * PAGE_BYTES > bytes) {
    const there = Math.floor(bytes / PAGE_BYTES);
    findings.word("SB-2", layout.SB_REGION_PAGES, `${regionPages} pages, of which ${there} are there`);
    return false;
  }
  const place = controlPlaceOf(superblock);
  const isBellThere = findings.check("host", layout.SB_BELL_PAGE, "superblock doorbell page", () =>
    checkPages(bellPage, layout.BELL_AREA_PAGES, regionPages),
  );
  const isControlThere = findings.check("host", layout.SB_CONTROL_PAGE, "superblock control pipe", () =>
    checkPlace(place, regionPages),
  );
  if (!isBellThere || !isControlThere) return false;
  const controlEnd = controlPage + layout.pipePages(place.toHostBytes, place.toGuestBytes);
  if (bellPage >= controlEnd || controlPage >= bellPage + layout.BELL_AREA_PAGES) return true;
  findings.word("TRU-6", layout.SB_CONTROL_PAGE, "the control pipe lies on the doorbell area");
  return false;
}

function checkStates(superblock: SuperblockPicture, findings: Findings): void {
  const { hostState, guestState, violation, attachRequest, attachReply } = superblock;
  const accepted = (superblock.featuresAccepted & ~superblock.featuresOffered) >>> 0;
  if (accepted !== 0) {
    findings.word("VER-3", layout.SB_FEATURES_ACCEPTED, `bits ${accepted} were not offered`);
  }
  if (hostState > HostState.FAILED) {
    findings.word("SB-4", layout.SB_HOST_STATE, `no state has number ${hostState}`);
  }
  if (guestState > GuestState.ATTACHED) {
    findings.word("SB-5", layout.SB_GUEST_STATE, `no state has number ${guestState}`);
  }
  // Where a guest has asked to attach, the host may be clearing it.
  if (hostState === HostState.FAILED && violation === 0 && attachRequest === attachReply) {
    findings.word("ERR-4", layout.SB_VIOLATION, "the host has failed the guest and names no violation");
  }
  const serves = hostState === HostState.READY || hostState === HostState.DRAINING;
  if (serves && guestState === GuestState.ATTACHED && attachRequest !== attachReply) {
    const what = `the guest is ATTACHED, and asks by ${attachRequest} where ${attachReply} was answered`;
    findings.word("ATT-2", layout.SB_ATTACH_REQUEST, what);
  }
}

/** What is reserved is zero (SB-1). The first word that is not stands for what may be a page of rubbish. */
function checkReserved(page: RegionMemory, findings: Findings): void {
  for (let offset = 0; offset < PAGE_BYTES; offset += 4) {
    const value = loadWord(page, offset);
    if (value === 0 || hasMeaning(offset)) continue;
    findings.word("SB-1", offset, `${value} stands in a reserved place`);
    return;
  }
}
