// Datagrams of one batch of a stream that somebody follows: copies, which the kernel sends, and of which those that it
// has taken are told. The guest can change its ring at any time, and what is told must be what was sent.
//
// Invariant: between begin() and tell() nobody else uses the tap's staging, and a batch has no more bytes than that.

import type { HostPipe, InetAddress } from "@ringway/control";
import { Direction, type Stream } from "../../guests/stream.ts";
import { tellDatagrams } from "./told.ts";

type Tap = NonNullable<Stream["tap"]>;

export class StagedDatagrams {
  #bytes = 0;
  #sizes: number[] = [];
  #to: (InetAddress | undefined)[] = [];

  begin(): void {
    this.#bytes = 0;
    if (this.#sizes.length === 0) return;
    this.#sizes = [];
    this.#to = [];
  }

  /** Copies one, which lies so far behind the first unread byte: its address. `to`: where its socket is bound. */
  stage(
    { staging }: Tap,
    toHost: HostPipe["toHost"],
    at: number,
    bytes: number,
    to: InetAddress | undefined,
  ): number {
    const from = this.#bytes;
    if (from + bytes > staging.bytes.length) throw new RangeError("a batch is longer than what is staged");
    if (bytes > 0) toHost.copy(staging.bytes.subarray(from, from + bytes), at);
    this.#bytes += bytes;
    this.#sizes.push(bytes);
    this.#to.push(to);
    return staging.address + from;
  }

  /** The first of them were sent. */
  tell(tap: Tap, datagrams: number): void {
    let at = 0;
    for (let i = 0; i < datagrams; i++) {
      const bytes = this.#sizes[i]!;
      tellDatagrams(tap, Direction.TO_HOST, tap.staging.bytes.subarray(at, at + bytes), 0, this.#to[i]);
      at += bytes;
    }
  }
}
