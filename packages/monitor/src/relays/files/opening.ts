// Opening a file, for file and file-stream: the request is judged, the path placed below a root, and the file opened on
// disk. Meanwhile the stream can only be given up.

import { Errno, fileMessages, type Refusal, type StatReply } from "@ringway/control";
import { guestGaveUp, type Relay, type Stream } from "../../guests/stream.ts";
import { refusal } from "../../policy/refusal.ts";
import {
  closeOnDisk,
  type DiskWork,
  explainFailure,
  noFile,
  onDisk,
  openFlags,
  place,
  tooManyFiles,
} from "./access.ts";

export interface FileRequest {
  /** A Protocol, for the audit log. */
  readonly protocol: number;
  readonly path: string;
  /** The guest's, fileMessages.FileFlags. */
  readonly flags: number;
  readonly mode: number;
}

/** What serves an open file, and the body of Opened. */
export interface FileServer {
  readonly relay: Relay;
  readonly opened: Uint8Array;
}

/** Opens the file, or refuses the stream. What `serve` makes owns the descriptor, which counts in guest.openFiles. */
export function openForStream(
  stream: Stream,
  requestId: number,
  request: FileRequest,
  serve: (fd: number, stat: StatReply) => FileServer,
): void {
  const { guest } = stream;
  const { protocol, path, flags, mode } = request;
  const refuse = (refusal: Refusal): void => stream.refuse(requestId, refusal);
  const kernelFlags = openFlags(flags, mode);
  if (kernelFlags === undefined) {
    const reason = `flags ${flags} and mode 0o${mode.toString(8)} make no sense`;
    refuse(refusal(Errno.EINVAL, reason));
    return;
  }
  const where = place(guest, protocol, path, (flags & fileMessages.FileFlags.WRITE) !== 0);
  const failure = "errno" in where ? where : tooManyFiles(guest);
  if (failure !== undefined || "errno" in where) {
    refuse(failure!);
    return;
  }

  guest.fileAsked();
  const work = onDisk(stream, { kind: "open", ...where, flags: kernelFlags, mode }, (result) => {
    if (result.errno !== 0) {
      noFile(guest);
      if (!opening.disposed) refuse(explainFailure(guest, protocol, path, result));
    } else if (opening.disposed) {
      closeOnDisk(stream, result.value);
    } else {
      const { relay, opened } = serve(result.value, result.stat!);
      // First the relay, which closes the file, also where the guest's ring turns out to be broken.
      stream.become(relay);
      stream.opened(requestId, opened);
      stream.run();
    }
  });
  const opening = new OpeningFileRelay(stream, work);
  stream.become(opening);
}

class OpeningFileRelay implements Relay {
  readonly transfers = true;
  readonly #stream: Stream;
  readonly #work: DiskWork;
  /** The guest gave up, or is gone: what was opened is to be closed. */
  disposed = false;

  constructor(stream: Stream, work: DiskWork) {
    this.#stream = stream;
    this.#work = work;
  }

  step(): boolean {
    if (guestGaveUp(this.#stream.pipe)) this.#stream.reset();
    return false;
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    if (this.#work.cancel()) noFile(this.#stream.guest);
  }
}
