// Streams of a region that is looked at which the host has reset. The region has the word RESET and no reason: it may
// have been a violation (PROTOCOL.md STR-8), the peer, or a failure of the host's. So a note tells where to look.

import { Closed } from "../layout.ts";
import { nameOfPipe } from "./pipes.ts";
import type { PipePicture } from "./report.ts";

export function notesOfResets(pipes: readonly PipePicture[]): string[] {
  return pipes
    .filter(({ toGuest, still }) => still && toGuest.producerClosed === Closed.RESET)
    .map((pipe) => {
      const why = "the region does not tell why; where it was a violation (STR-8), the monitor's log does";
      return `${nameOfPipe(pipe)} toGuest: the host has reset the stream (RING-8): ${why}`;
    });
}
