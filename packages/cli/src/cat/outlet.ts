// What takes chunks: a peer, or where the output goes. It takes every chunk whole, and says when it has let all of them
// out. Whoever gives it more before that is over its bound: pacer.ts keeps to it.

/** Whoever a chunk is of. */
export interface Speaker {
  readonly label: string;
}

export interface Outlet {
  /** Has all that it took gone out? */
  readonly isClear: boolean;
  /** Has it so much that whoever may go without goes without? */
  readonly isFull: boolean;
  /** Takes a chunk, of a peer or of the input. */
  send(chunk: Buffer, from: Speaker | undefined): void;
  /** Calls back once, as soon as isClear holds or nobody will take anything any more. Only where it is not clear. */
  whenClear(callback: () => void): void;
  /** A chunk was not given to it, since it was not clear. */
  passedOver(bytes: number): void;
}

/** Those who wait for an outlet to be clear. */
export class Waiters {
  #callbacks: (() => void)[] = [];

  add(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  tell(): void {
    if (this.#callbacks.length === 0) return;
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    for (const callback of callbacks) callback();
  }
}
