// What the guest has put on a ring and the host has not taken yet: on the control pipe all frames, on a stream the
// first, as long as it is there. What comes after Open depends on the protocol, and may be raw bytes.
//
// The host takes a frame whole (FRM-3), so its read position on the control pipe is where a frame begins. A guest may
// take frames in parts: what the host has put is not looked at.

import { decodeExit, decodePing, requireFromGuest } from "../control-requests.ts";
import { ProtocolError, Violation } from "../errors.ts";
import { type Frame, FrameReader } from "../frame.ts";
import { Closed } from "../layout.ts";
import type { RegionMemory } from "../memory.ts";
import { Exit, Explain, GetArgs, Log, NewStream, Ping } from "../messages/control.ts";
import { FileOpen, FileStreamOpen } from "../messages/file.ts";
import { MountRequest } from "../messages/mount/handles.ts";
import { Open, Protocol } from "../messages/stream.ts";
import { ConnectRequest, ListenRequest } from "../messages/tcp.ts";
import { UdpBindRequest } from "../messages/udp.ts";
import { UnixConnectRequest, UnixListenRequest } from "../messages/unix.ts";
import { RingConsumer, type RingPlace } from "../ring.ts";
import { type Body, body, typeName } from "../wire.ts";
import type { Findings } from "./findings.ts";
import type { RingPicture } from "./report.ts";

const NO_BODY: Body<object> = body({});

/** What an Open of each protocol says. */
const OPEN_BODIES: ReadonlyMap<number, Body<object>> = new Map<number, Body<object>>([
  [Protocol.ECHO, NO_BODY],
  [Protocol.TCP_CONNECT, ConnectRequest],
  [Protocol.TCP_LISTEN, ListenRequest],
  [Protocol.FILE, FileOpen],
  [Protocol.FILE_STREAM, FileStreamOpen],
  [Protocol.FS, NO_BODY],
  [Protocol.UDP_CONNECT, ConnectRequest],
  [Protocol.UDP_BIND, UdpBindRequest],
  [Protocol.RESOLVE, NO_BODY],
  [Protocol.UNIX_CONNECT, UnixConnectRequest],
  [Protocol.UNIX_LISTEN, UnixListenRequest],
  [Protocol.MOUNT, MountRequest],
]);

/** A ring with what lies on it, copied: its place is within the copy, `offset` that of its data in the region. */
export interface RingCopy {
  readonly memory: RegionMemory;
  readonly place: RingPlace;
  readonly ring: RingPicture;
  readonly offset: number;
  /** "control pipe toHost". */
  readonly name: string;
}

/** The requests that wait on the control pipe. */
export function checkRequests(copy: RingCopy, findings: Findings): void {
  const ids = new Set<number>();
  forEachFrame(copy, findings, (frame) => {
    if (hasReply(frame.type)) {
      requireRequestId(frame);
      if (ids.has(frame.requestId)) {
        throw new ProtocolError(
          Violation.FRAME_TYPE,
          "FRM-2",
          `two requests wait with the id ${frame.requestId}`,
        );
      }
      ids.add(frame.requestId);
    }
    checkRequest(frame);
    return true;
  });
}

/** The first frame of a stream that the host has not looked at: an Open (STR-1). */
export function checkFirstFrame(copy: RingCopy, findings: Findings): void {
  let taken = false;
  const isWhole = forEachFrame(copy, findings, (frame) => {
    taken = true;
    if (frame.type !== Open.type) {
      const what = `a stream begins with a frame of type ${typeName(frame.type)}`;
      throw new ProtocolError(Violation.FRAME_TYPE, "STR-1", what);
    }
    requireRequestId(frame);
    const { protocol, body: opening } = Open.decode(frame.payload);
    OPEN_BODIES.get(protocol)?.decode(opening);
    return false;
  });
  if (taken || !isWhole || copy.ring.producerClosed !== Closed.END) return;
  const what = `the stream ends amid a frame, after ${copy.ring.fill} bytes of it`;
  findings.add("FRM-3", "guest", copy.offset, `${copy.name}, first frame`, what);
}

/** Calls `check` for whole frames until it says false, or one breaks a clause. True: none did. */
function forEachFrame(
  { memory, place, ring, offset, name }: RingCopy,
  findings: Findings,
  check: (frame: Frame) => boolean,
): boolean {
  const consumer = new RingConsumer(memory, place, ring.read);
  const reader = new FrameReader(consumer);
  for (let goesOn = true; goesOn; ) {
    const { position } = consumer;
    const at = offset + (position & (place.capacity - 1));
    const isSound = findings.check("guest", at, `${name}, frame at position ${position}`, () => {
      const frame = reader.next(() => {});
      goesOn = frame !== undefined && check(frame);
    });
    if (!isSound) return false;
  }
  return true;
}

function hasReply(type: number): boolean {
  return type === NewStream.type || type === GetArgs.type || type === Ping.type || type === Explain.type;
}

function requireRequestId({ requestId }: Frame): void {
  if (requestId !== 0) return;
  throw new ProtocolError(Violation.FRAME_TYPE, "FRM-2", "a request has the id 0, which no reply can carry");
}

/** As ControlServer takes it. Types that it does not know are answered with an error, and break nothing (FRM-7). */
function checkRequest({ type, payload }: Frame): void {
  requireFromGuest(type);
  if (type === NewStream.type) NewStream.decode(payload);
  else if (type === GetArgs.type) GetArgs.decode(payload);
  else if (type === Log.type) Log.decode(payload);
  else if (type === Exit.type) decodeExit(payload);
  else if (type === Ping.type) decodePing(payload);
  else if (type === Explain.type) {
    const { protocol, body: opening } = Explain.decode(payload);
    OPEN_BODIES.get(protocol)?.decode(opening);
  }
}
