// What a socket asks the host for, whatever it is: TCP, a Unix socket, an echo.

import type { ErrorContext } from "../errors.ts";
import type { RawOpened } from "./raw-stream.ts";

/** How a socket gets its stream. */
export interface SocketOpen {
  readonly protocol: number;
  readonly body: Uint8Array;
  readonly context: ErrorContext;
  readonly ringBytes: number | undefined;
  decode(body: Uint8Array): RawOpened;
  /** What went wrong, as the program is to hear it. */
  explain?(error: Error): Error;
  /** It cannot be asked for at all. */
  readonly failure?: Error | undefined;
}
