// What lies in a region, and which clauses of PROTOCOL.md it breaks: bytes in, findings out. For whoever writes a
// guest.
//
//   superblock ── in use? ──> doorbells, control pipe ──> streams ──> superblock again: the same epoch? else all anew
//        └── no: the superblock alone
//
// It looks on while a host and a guest go on writing, and finds nothing wrong where both keep to the protocol: each
// finding is one word that can never be, or words of one moment that do not go together (source.ts), of a block that
// was in use at that moment, in an epoch that was the same before and after. What is not broken for certain is a note,
// or nothing.
//
// Nothing that it reads is trusted: places and sizes are checked before they are followed, no loop is longer than the
// region, or 1 GiB of it, and all that is read has a bound (source.ts).

import * as layout from "../layout.ts";
import { Closed, GuestState, HostState, PAGE_BYTES, pipePages } from "../layout.ts";
import { loadWord, type RegionMemory, regionMemory } from "../memory.ts";
import type { StreamInfo } from "../messages/control.ts";
import type { PipePlace } from "../pipe.ts";
import { lookAtBell } from "./bells.ts";
import { type Extent, extentOf } from "./extent.ts";
import { Findings } from "./findings.ts";
import { checkPipe, HEADER_BYTES, nameOfPipe, pipePictureOf, ringsOfCopy } from "./pipes.ts";
import { latestOf, streamInfosOn } from "./replies.ts";
import type { PipePicture, RegionReport, SuperblockPicture } from "./report.ts";
import { checkRequests } from "./requests.ts";
import { notesOfResets } from "./resets.ts";
import { BoundedSource, copyInto, NotARegionError, type RegionSource, stillCopyOf } from "./source.ts";
import { lookAtStream, searchBlocks } from "./streams.ts";
import { checkSuperblock, controlPlaceOf, copySuperblock } from "./superblock.ts";
import { notesOfWaiting } from "./waiting.ts";
import { pictureOf } from "./words.ts";

/** Epochs that may begin while one is looked at, before that is given up: each takes a guest that attaches. */
const EPOCHS_MAX = 100;

/**
 * Looks at a region. Throws NotARegionError where the bytes are none that this version can read, or end amid what is to
 * be looked at; what `source.read()` throws passes through.
 */
export function inspectRegion(source: RegionSource): RegionReport {
  const bounded = new BoundedSource(source);
  for (let tries = 0; tries < EPOCHS_MAX && !bounded.isSpent; tries++) {
    const report = lookOnce(bounded);
    if (report !== undefined) return report;
  }
  throw new NotARegionError("epochs begin faster than one can be looked at");
}

/** Undefined: another epoch began meanwhile. */
function lookOnce(source: BoundedSource): RegionReport | undefined {
  const page = copySuperblock(source);
  const superblock = pictureOf(page);
  const findings = new Findings();
  const isPlaced = checkSuperblock(page, superblock, source.bytes, findings);
  const unused = isPlaced ? reasonUnused(superblock) : "the superblock names places that are not there";
  const { bytes } = source;
  if (unused !== undefined) {
    return { bytes, superblock, unused, bells: undefined, pipes: [], findings: findings.all, notes: [] };
  }
  const seen = lookIntoEpoch(source, superblock, findings);
  if (!isSameEpoch(superblock, pictureOf(copySuperblock(source)))) return undefined;
  return { bytes, superblock, unused, ...seen, findings: findings.all };
}

/** Why nobody may use what lies beyond the superblock now; undefined where an epoch is in use. */
function reasonUnused({
  hostState,
  guestState,
  attachRequest,
  attachReply,
}: SuperblockPicture): string | undefined {
  if (hostState === HostState.ABSENT)
    return "no monitor serves the region (ABSENT): what lies in it is of no epoch";
  if (hostState === HostState.RESETTING)
    return "a monitor waits for the guest to attach (RESETTING): no epoch has begun";
  if (attachRequest !== attachReply)
    return "the guest has asked to attach, and is not answered yet: no epoch has begun";
  if (guestState === GuestState.DETACHED) return "the guest has left (DETACHED): what it had open is void";
  return undefined;
}

/** What differs in another epoch, or where one ends. */
function isSameEpoch(before: SuperblockPicture, after: SuperblockPicture): boolean {
  return (
    before.epoch === after.epoch &&
    before.attachRequest === after.attachRequest &&
    before.attachReply === after.attachReply &&
    before.bellPage === after.bellPage &&
    before.controlPage === after.controlPage &&
    reasonUnused(after) === undefined
  );
}

function lookIntoEpoch(
  source: BoundedSource,
  superblock: SuperblockPicture,
  findings: Findings,
): Pick<RegionReport, "bells" | "pipes" | "notes"> {
  const notes: string[] = [];
  const area = superblock.bellPage * PAGE_BYTES;
  const lookAtBells = (findings: Findings): NonNullable<RegionReport["bells"]> => ({
    toHost: lookAtBell(source, area + layout.BELL_TO_HOST, "host", findings),
    toGuest: lookAtBell(source, area + layout.BELL_TO_GUEST, "guest", findings),
  });
  const bells = lookAtBells(findings);
  const place = controlPlaceOf(superblock);
  const control = lookAtControl(source, place, findings);
  if (!control.still)
    notes.push("the control pipe moved each time: streams are not known by their StreamInfo");
  const fixed = [{ first: superblock.bellPage, pages: layout.BELL_AREA_PAGES }, extentOf(control)];
  const streams = lookAtStreams(source, superblock, fixed, findings);
  const known = [{ first: 0, pages: 1 }, ...fixed, ...streams.map(extentOf)];
  const { found, isWhole } = searchBlocks(source, superblock, known, new Set(streams.map(({ id }) => id)));
  if (source.isSpent)
    notes.push("it held or changed more than is looked at: not all streams' first frames are checked");
  if (!isWhole) notes.push("only the first GiB was searched for blocks that no StreamInfo names");
  for (const { id, page } of found) {
    notes.push(
      `page ${page} looks like the block of stream ${id}, perhaps of an earlier epoch: it is not checked`,
    );
  }
  notes.push(...notesOfResets(streams));
  notes.push(...notesOfWaiting(source, bells, lookAtBells(new Findings()), [control, ...streams]));
  const byId = [...streams, ...found].sort((a, b) => a.id - b.id);
  return { bells, pipes: [control, ...byId], notes };
}

/** The control pipe and the requests on it. */
function lookAtControl(source: BoundedSource, place: PipePlace, findings: Findings): PipePicture {
  const { block, still } = copyOfControl(source, place);
  const picture = pipePictureOf(block, place.page, place, "superblock", still);
  if (!still) return picture;
  checkPipe(block, place, picture, findings);
  checkOpen(block, picture, findings);
  const { toHost } = ringsOfCopy(place);
  const ring = picture.toHost;
  if (ring.fill > toHost.capacity) return picture;
  const offset = place.page * PAGE_BYTES + toHost.data;
  checkRequests(
    { memory: block, place: toHost, ring, offset, name: `${nameOfPipe(picture)} toHost` },
    findings,
  );
  return picture;
}

/** The control pipe's whole block. Bytes on its rings are of the same moment as its header. */
function copyOfControl(
  source: BoundedSource,
  place: PipePlace,
): { readonly block: RegionMemory; readonly still: boolean } {
  const block = regionMemory(new ArrayBuffer(pipePages(place.toHostBytes, place.toGuestBytes) * PAGE_BYTES));
  const offset = place.page * PAGE_BYTES;
  const { copy, still } = stillCopyOf(source, offset, HEADER_BYTES, () => {
    copyInto(source, offset + PAGE_BYTES, block.bytes.subarray(PAGE_BYTES));
  });
  block.bytes.set(copy.bytes);
  return { block, still };
}

/** The streams whose StreamInfo lies on the control pipe, and what they break. */
function lookAtStreams(
  source: BoundedSource,
  superblock: SuperblockPicture,
  fixed: readonly Extent[],
  findings: Findings,
): PipePicture[] {
  const looks = openingsOf(source, superblock).flatMap(
    (info) => lookAtStream(source, info, superblock, fixed) ?? [],
  );
  // A block that was given to another stream before it was looked at has its new StreamInfo here by now.
  const after = new Set(openingsOf(source, superblock).map(nameOfInfo));
  const sure = looks.filter(({ info }) => after.has(nameOfInfo(info)));
  for (const look of sure) for (const finding of look.findings.all) findings.all.push(finding);
  return sure.flatMap(({ picture }) => picture ?? []);
}

/** What the control pipe tells of streams that may be open; nothing, where it moves all the time. */
function openingsOf(source: BoundedSource, superblock: SuperblockPicture): StreamInfo[] {
  const place = controlPlaceOf(superblock);
  const { block, still } = copyOfControl(source, place);
  if (!still) return [];
  const { written } = pipePictureOf(block, place.page, place, "superblock", still).toGuest;
  return latestOf(streamInfosOn(block, ringsOfCopy(place).toGuest, written));
}

function nameOfInfo({ id, generation, page }: StreamInfo): string {
  return `${id}.${generation} at ${page}`;
}

/** Nobody closes the control pipe (CTL-1). Words that no closed word can have are told by checkPipe(). */
function checkOpen(header: RegionMemory, { page }: PipePicture, findings: Findings): void {
  const words = [
    ["guest", "toHost producer", layout.PIPE_TO_HOST_PRODUCER + layout.PRODUCER_CLOSED, Closed.RESET],
    ["host", "toHost consumer", layout.PIPE_TO_HOST_CONSUMER + layout.CONSUMER_CLOSED, 1],
    ["host", "toGuest producer", layout.PIPE_TO_GUEST_PRODUCER + layout.PRODUCER_CLOSED, Closed.RESET],
    ["guest", "toGuest consumer", layout.PIPE_TO_GUEST_CONSUMER + layout.CONSUMER_CLOSED, 1],
  ] as const;
  for (const [by, name, at, largest] of words) {
    const closed = loadWord(header, at);
    if (closed === 0 || closed > largest) continue;
    const where = `control pipe ${name} closed`;
    findings.add("CTL-1", by, page * PAGE_BYTES + at, where, `${closed}: the control pipe is never closed`);
  }
}
