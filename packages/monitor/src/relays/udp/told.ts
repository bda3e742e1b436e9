// Datagrams as those who follow their stream are told of them: one by one, and whose each is where a socket is bound.

import { encodeUtf8, formatEndpoint, type InetAddress } from "@ringway/control";
import type { Direction, Stream } from "../../guests/stream.ts";

/** `segment`: what each has but the last; 0: it is one. */
export function tellDatagrams(
  tap: NonNullable<Stream["tap"]>,
  direction: Direction,
  data: Uint8Array,
  segment: number,
  peer: InetAddress | undefined,
): void {
  const whose = peer && encodeUtf8(formatEndpoint(peer));
  const most = segment === 0 ? Math.max(1, data.length) : segment;
  let at = 0;
  do {
    tap.took(direction, data.subarray(at, at + most), whose);
    at += most;
  } while (at < data.length);
}
