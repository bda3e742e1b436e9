// Opening a file, for file and file-stream: its path is placed below a root, and the file opened on disk. Meanwhile the
// stream can only be given up.

import { Errno, type Refusal, type StatReply } from "@ringway/control";
import type { DiskResult } from "../../disk/operations.ts";
import type { Relay } from "../../guests/relay.ts";
import type { Stream } from "../../guests/stream.ts";
import { refusal } from "../../policy/refusal.ts";
import type { FileDecision } from "../../policy/types.ts";
import type { RelayHost } from "../host.ts";
import type { Judged } from "../protocol.ts";
import { auditFailure, closeOnDisk, explainFailure, onDisk, openFlags, placeOf } from "./access.ts";
import { PendingRelay } from "./pending.ts";

/** The request of an Open, and by what its path is allowed. */
export interface AskedFile<Request> {
  readonly request: Request;
  readonly decision: FileDecision;
}

export function judgedFile<Request extends { readonly path: string }>(
  request: Request,
  decision: FileDecision,
  mistake: Refusal | undefined,
): Judged<AskedFile<Request>> {
  return { asked: { request, decision }, decision, what: request.path, mistake };
}

export interface FileRequest {
  /** A Protocol, for the audit log. */
  readonly protocol: number;
  readonly path: string;
  /** The guest's, fileMessages.FileFlags. */
  readonly flags: number;
  readonly mode: number;
  /** By which the path is allowed. */
  readonly decision: FileDecision;
}

/** What serves an open file, and the body of Opened. */
export interface FileServer {
  readonly relay: Relay;
  readonly opened: Uint8Array;
}

/** Flags that make no sense, with whatever path (FILE-2). */
export function flagsMistake(flags: number, mode: number): Refusal | undefined {
  if (openFlags(flags, mode) !== undefined) return undefined;
  return refusal(Errno.EINVAL, `flags ${flags} and mode 0o${mode.toString(8)} make no sense`);
}

/**
 * Opens the file, or refuses the stream. What `serve` makes owns the descriptor, which counts as an open file. With
 * `readsAtOnce`, what is cached of it may be read without a worker.
 */
export function openForStream(
  host: RelayHost,
  stream: Stream,
  requestId: number,
  request: FileRequest,
  serve: (fd: number, stat: StatReply, readsAtOnce: boolean) => FileServer,
): void {
  const { guest } = stream;
  const { protocol, path, flags, mode, decision } = request;
  const place = placeOf(guest, path, decision);
  if ("errno" in place) {
    stream.refuse(requestId, place);
    return;
  }
  const tooMany = guest.budget.takeFile();
  if (tooMany !== undefined) {
    stream.refuse(requestId, tooMany);
    return;
  }
  const kernelFlags = openFlags(flags, mode)!;
  const opened = (result: DiskResult): void => {
    if (result.errno !== 0) {
      guest.budget.giveFile();
      if (opening.disposed) auditFailure(guest, protocol, path, result);
      else stream.refuse(requestId, explainFailure(guest, protocol, path, result));
    } else if (opening.disposed) {
      stream.openedLate();
      closeOnDisk(host, stream, result.value);
    } else {
      const server = serve(result.value, result.stat!, result.readsAtOnce!);
      // First the relay, which closes the file, also where the guest's ring turns out to be broken.
      stream.become(server.relay);
      stream.opened(requestId, server.opened);
      stream.run();
    }
  };
  const operation = { kind: "open", ...place, flags: kernelFlags, mode } as const;
  const giveBack = (): void => guest.budget.giveFile();
  const opening = new PendingRelay(stream, onDisk(host, stream, operation, opened), giveBack, true);
  stream.become(opening);
}
