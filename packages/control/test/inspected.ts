// Regions to look at: with an attached guest and streams, and what both sides do on them.

import { expect } from "vitest";
import {
  encodeFrame,
  type GuestPipe,
  inspectRegion,
  layout,
  memorySource,
  NewStream,
  Open,
  Ping,
  Protocol,
  type RegionReport,
  StreamInfo,
} from "../src/index.ts";
import { attachedRegion, type Region, recordingHandler } from "./helpers.ts";

export const REGION_BYTES: number = 1024 * 1024;
const handler = recordingHandler();

/** What an onlooker sees. */
export function look(region: Region): RegionReport {
  return inspectRegion(memorySource(region.memory.bytes));
}

/** A stream as the guest gets it: NewStream, StreamInfo. */
export function newStream(region: Region, toHostBytes = 4096, toGuestBytes = 8192): GuestPipe {
  region.guest.send(NewStream, { toHostBytes, toGuestBytes });
  region.host.stepControl(handler, 10);
  return region.guest.openPipe(StreamInfo.decode(region.guest.nextReply()!.payload));
}

/** An Open on toHost of a stream, published. */
export function putOpen(
  region: Region,
  id: number,
  protocol: number = Protocol.ECHO,
  body: Uint8Array = new Uint8Array(0),
): void {
  put(region, id, encodeFrame(Open.type, 1, Open.encode({ protocol, body })));
}

/** Bytes on toHost of a stream, published. */
export function put(region: Region, id: number, bytes: Uint8Array): void {
  const { toHost } = region.guest.pipe(id)!;
  toHost.put(bytes);
  toHost.advance(bytes.length);
}

/** A frame with a StreamInfo, in bytes. */
export const INFO_BYTES = 32;

/** A reply of this size on the control pipe, taken. */
export function pingOnce(region: Region): void {
  const data = new Uint8Array(INFO_BYTES - 12);
  region.guest.send(Ping, { data });
  region.host.stepControl(handler, 1);
  expect(region.guest.nextReply()!.payload).toEqual(data);
}

/** Ends both sides of a stream, and gives its block back. */
export function close(region: Region, id: number): void {
  const [host, guest] = [region.host.pipe(id)!, region.guest.pipe(id)!];
  guest.toHost.end();
  guest.toGuest.close();
  region.guest.forget(guest);
  host.toGuest.end();
  host.toHost.close();
  expect(host.through()).toBe(true);
  region.host.release(host);
}

/** Attached, with stream 1 that has sent its Open, and stream 2 that has sent nothing. */
export function busyRegion(bytes = REGION_BYTES): Region {
  const region = attachedRegion(bytes);
  newStream(region);
  newStream(region);
  putOpen(region, 1);
  return region;
}

/** Byte offset of the control pipe's block. */
export const CONTROL: number = layout.PAGE_BYTES * 5;
/** Byte offset of stream `id`'s header. */
export const block = (region: Region, id: number): number =>
  region.host.pipe(id)!.place.page * layout.PAGE_BYTES;
