// From nothing to an agreed stream: NewStream, Open, Opened (PROTOCOL.md sections 9 and 10).

import {
  Closed,
  FRAME_HEADER_BYTES,
  FrameReader,
  FrameWriter,
  Open,
  Opened,
  Protocol,
  ProtocolError,
  Refused,
  typeName,
  Violation,
} from "@ringway/control";
import { onAbort, throwIfAborted } from "../abort.ts";
import { cutOffError, type ErrorContext, replyError, resetError } from "../errors.ts";
import { neverMade } from "./calls.ts";
import type { Engine } from "./engine.ts";
import { isNoRoom, type Resource, type RingWish, SMALLEST_RING_BYTES } from "./room.ts";
import type { Stream } from "./stream.ts";
import { isUnknown } from "./unknown.ts";

export interface OpenRequest {
  /** A Protocol. */
  readonly protocol: number;
  readonly body: Uint8Array;
  readonly rings: RingWish;
  readonly context: ErrorContext;
  readonly signal?: AbortSignal | undefined;
}

/** A stream that the host has agreed to. Whoever takes it sets `stream.user` in the same turn, and steps once. */
export interface OpenedStream<T> {
  readonly stream: Stream;
  readonly opened: T;
}

const OPEN_REQUEST_ID = 1;

/** What a stream needs of the host beside itself. */
const RESOURCES: Readonly<Record<number, Resource>> = {
  [Protocol.TCP_CONNECT]: "connection",
  [Protocol.TCP_LISTEN]: "listener",
  [Protocol.UDP_CONNECT]: "connection",
  [Protocol.UDP_BIND]: "connection",
  [Protocol.UNIX_CONNECT]: "connection",
  [Protocol.UNIX_LISTEN]: "listener",
  [Protocol.FS]: "request",
  [Protocol.MOUNT]: "request",
  [Protocol.RESOLVE]: "request",
  [Protocol.FILE]: "file",
  [Protocol.FILE_STREAM]: "file",
};

/**
 * Opens a stream, when it is this call's turn; `decode` reads the body of Opened. Rejects with the host's refusal, or
 * with AbortError.
 */
export async function openStream<T>(
  engine: Engine,
  request: OpenRequest,
  decode: (body: Uint8Array) => T,
): Promise<OpenedStream<T>> {
  engine.check();
  throwIfAborted(request.signal);
  const kind = RESOURCES[request.protocol] ?? "stream";
  return await engine.room.run(
    kind,
    async (hasStream) => {
      const { rings, context, signal } = request;
      const stream = await engine.control.newStream(rings, context, signal, ringFor(request));
      hasStream();
      const result = await openOn(stream, request, decode);
      stream.holds = kind;
      return result;
    },
    request.signal,
  );
}

function openOn<T>(
  stream: Stream,
  request: OpenRequest,
  decode: (body: Uint8Array) => T,
): Promise<OpenedStream<T>> {
  const { engine } = stream;
  return new Promise((resolve, reject) => {
    if (!stream.open) return reject(cutOffError(request.context.syscall, engine.ended));
    engine.hold();
    const settle = (): void => {
      stop();
      stream.user = undefined;
      engine.unhold();
    };
    const fail = (error: Error): void => {
      settle();
      stream.abort(!isNoRoom(error));
      reject(error);
    };
    const stop = onAbort(request.signal, fail);
    const reader = new FrameReader(stream.pipe.toGuest);
    stream.user = {
      lost(error) {
        settle();
        reject(error);
      },
      step() {
        const closed = stream.pipe.toGuest.peerClosed();
        let frame = reader.next(stream.signal);
        while (frame !== undefined && isUnknown(frame, Opened.type, Refused.type)) {
          frame = reader.next(stream.signal);
        }
        if (frame === undefined) {
          if (closed === Closed.END) reader.end();
          if (closed !== Closed.OPEN) fail(resetError(request.context.syscall));
          return;
        }
        if (frame.requestId !== OPEN_REQUEST_ID) throw neverMade(frame);
        if (frame.type === Opened.type) {
          const opened = decode(Opened.decode(frame.payload).body);
          settle();
          resolve({ stream, opened });
        } else if (frame.type === Refused.type) {
          fail(replyError(Refused.decode(frame.payload), request.context));
        } else {
          throw new ProtocolError(
            Violation.FRAME_TYPE,
            "STR-2",
            `type ${typeName(frame.type)} answers an Open`,
          );
        }
      },
    };
    stream.pipe.toGuest.wantData();
    const writer = new FrameWriter(stream.pipe.toHost);
    try {
      writer.send(Open, OPEN_REQUEST_ID, { protocol: request.protocol, body: request.body }, () => {});
      stream.signal();
    } catch (error) {
      fail(error as Error);
    }
    return undefined;
  });
}

/** The smallest ring that holds its Open whole (FRM-3). */
function ringFor({ body }: OpenRequest): number {
  const frameBytes = FRAME_HEADER_BYTES + 4 + body.length;
  let ringBytes = SMALLEST_RING_BYTES;
  while (ringBytes < frameBytes) ringBytes *= 2;
  return ringBytes;
}

/** For protocols whose Opened has an empty body. */
export function decodeNothing(body: Uint8Array): undefined {
  if (body.length === 0) return undefined;
  throw new ProtocolError(Violation.FRAME_MALFORMED, "FRM-6", `${body.length} bytes where none belong`);
}
