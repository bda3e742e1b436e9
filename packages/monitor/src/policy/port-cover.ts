// Ports of one pattern or network that rules have, each with the first rule that has it: what a later rule asks to know
// whether anything is left for it. Rules are added in their order, so whoever has a port keeps it.
//
// Looking for a port is a binary search, in pieces by rule and in spans, which are the pieces joined where they touch:
// a rule for all ports that comes after thousands for one each finds the first gap at once.

import type { PortRange } from "./types.ts";

export interface PortPiece extends PortRange {
  readonly rule: number;
}

export class PortCover {
  readonly #pieces: PortPiece[] = [];
  readonly #spans: PortRange[] = [];

  add(ports: readonly PortRange[], rule: number): void {
    for (const { first, last } of ports) this.#addRange(first, last, rule);
  }

  /** The last of the ports that are covered from this one on, or -1: it is not covered. */
  endOf(port: number): number {
    return holder(this.#spans, port)?.last ?? -1;
  }

  /** Who has the port first, and the ports around it. */
  at(port: number): PortPiece | undefined {
    return holder(this.#pieces, port);
  }

  /** The first port after this one at which something changes, or Infinity. */
  edgeAfter(port: number): number {
    const piece = this.#pieces[indexFrom(this.#pieces, port)];
    if (piece === undefined) return Number.POSITIVE_INFINITY;
    return piece.first > port ? piece.first : piece.last + 1;
  }

  /** The first of these ports that is covered, or -1. */
  firstOf(ports: readonly PortRange[]): number {
    for (const { first, last } of ports) {
      const span = this.#spans[indexFrom(this.#spans, first)];
      if (span !== undefined && span.first <= last) return Math.max(span.first, first);
    }
    return -1;
  }

  #addRange(first: number, last: number, rule: number): void {
    const from = indexFrom(this.#pieces, first);
    const added: PortPiece[] = [];
    let next = first;
    let to = from;
    for (; to < this.#pieces.length && this.#pieces[to]!.first <= last; to++) {
      const piece = this.#pieces[to]!;
      if (piece.first > next) added.push({ first: next, last: piece.first - 1, rule });
      added.push(piece);
      next = piece.last + 1;
    }
    if (next <= last) added.push({ first: next, last, rule });
    if (added.length === to - from) return;
    this.#pieces.splice(from, to - from, ...added);
    this.#join(first, last);
  }

  /** Spans that touch the new one become one with it. */
  #join(first: number, last: number): void {
    const from = indexFrom(this.#spans, first - 1);
    let to = from;
    let span = { first, last };
    for (; to < this.#spans.length && this.#spans[to]!.first <= last + 1; to++) {
      const other = this.#spans[to]!;
      span = { first: Math.min(span.first, other.first), last: Math.max(span.last, other.last) };
    }
    this.#spans.splice(from, to - from, span);
  }
}

/** Ports in their order, each once. */
export function joined(ports: readonly PortRange[]): PortRange[] {
  const spans: PortRange[] = [];
  for (const { first, last } of [...ports].sort((a, b) => a.first - b.first)) {
    const before = spans.at(-1);
    if (before === undefined || before.last + 1 < first) spans.push({ first, last });
    else spans[spans.length - 1] = { first: before.first, last: Math.max(before.last, last) };
  }
  return spans;
}

/** The first that ends at the port or after it. `ranges` ascend and do not overlap. */
function indexFrom(ranges: readonly PortRange[], port: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]!.last < port) low = middle + 1;
    else high = middle;
  }
  return low;
}

function holder<T extends PortRange>(ranges: readonly T[], port: number): T | undefined {
  const range = ranges[indexFrom(ranges, port)];
  return range !== undefined && range.first <= port ? range : undefined;
}
