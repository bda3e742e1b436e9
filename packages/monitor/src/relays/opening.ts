// A fresh stream: waits for the guest's Open and hands the stream to the protocol that it names (PROTOCOL.md section 10),
// or is given to a listener by Accept, which finds it here (LSN-2).

import { Closed, Errno, Open, Protocol, ProtocolError, protocolName, Violation } from "@ringway/control";
import type { Relay, Stream } from "../guests/stream.ts";
import { refusal } from "../policy/refusal.ts";
import { EchoRelay } from "./echo.ts";
import { requireEmpty } from "./empty-body.ts";
import { openFile } from "./files/file.ts";
import { openFileStream } from "./files/file-stream.ts";
import { FsRelay } from "./files/fs.ts";
import { openTcpConnect } from "./tcp-connect.ts";
import { openTcpListen } from "./tcp-listen.ts";

/** Takes a stream over, with the Open's request id and body. Throws ProtocolError for a malformed body. */
type Opener = (stream: Stream, requestId: number, body: Uint8Array) => void;

const NOTHING = new Uint8Array(0);

const OPENERS: Readonly<Record<number, Opener>> = {
  [Protocol.ECHO]: (stream, requestId, body) => {
    requireEmpty(body);
    stream.opened(requestId, NOTHING);
    stream.become(new EchoRelay(stream));
  },
  [Protocol.FS]: (stream, requestId, body) => {
    requireEmpty(body);
    stream.opened(requestId, NOTHING);
    stream.become(new FsRelay(stream));
  },
  [Protocol.TCP_CONNECT]: openTcpConnect,
  [Protocol.TCP_LISTEN]: openTcpListen,
  [Protocol.FILE]: openFile,
  [Protocol.FILE_STREAM]: openFileStream,
};

export class OpeningRelay implements Relay {
  readonly fresh = true;
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  step(): boolean {
    const stream = this.#stream;
    // Before the frame: a guest may send its Open and end while this looks (RING-6).
    const closed = stream.pipe.toHost.peerClosed();
    const frames = stream.frames();
    const frame = frames.next(stream.signal);
    if (frame === undefined) {
      if (closed === Closed.END) frames.end();
      if (closed !== Closed.OPEN) stream.end();
      return false;
    }
    if (frame.type !== Open.type) {
      throw new ProtocolError(Violation.FRAME_TYPE, "STR-1", `a stream began with type ${frame.type}`);
    }
    const { protocol, body } = Open.decode(frame.payload);
    const opener = OPENERS[protocol];
    if (opener === undefined) {
      const reason = `the host does not know ${protocolName(protocol)}`;
      stream.refuse(frame.requestId, refusal(Errno.EPROTONOSUPPORT, reason));
      return false;
    }
    if (!stream.beginOpen()) {
      const reason = "too many requests wait for their answers, the most that the policy allows";
      stream.refuse(frame.requestId, refusal(Errno.ENOBUFS, reason));
      return false;
    }
    opener(stream, frame.requestId, body);
    // What it has sent behind its Open.
    return stream.relay?.step() ?? false;
  }

  dispose(): void {}
}
