// How many bytes are in a pipe's rings, as they are now: what a guest has written there is judged, and nothing of it is
// taken. -1 where it is nonsense: the guest's own turn finds that, too.

import type { HostPipe } from "@ringway/control";

export function fillToHost({ toHost }: HostPipe): number {
  try {
    return toHost.readable();
  } catch {
    return -1;
  }
}

export function fillToGuest({ toGuest }: HostPipe): number {
  try {
    return toGuest.capacity - toGuest.writable();
  } catch {
    return -1;
  }
}
