// Work done one after the other, in the order in which it was asked for.

import { onAbort, throwIfAborted } from "../abort.ts";

/**
 * Does the work after `before`, which never rejects. An abort ends the wait; once it has begun, the work ends by
 * itself. `over` says when it is the next one's turn: also after an abort not before `before`.
 */
export function inTurn<T>(
  before: Promise<unknown>,
  work: () => Promise<T>,
  signal: AbortSignal | undefined,
): { readonly result: Promise<T>; readonly over: Promise<unknown> } {
  let over: Promise<unknown> = before;
  const result = new Promise<T>((resolve, reject) => {
    throwIfAborted(signal);
    const stop = onAbort(signal, reject);
    over = before.then(() => {
      stop();
      return signal?.aborted ? undefined : work().then(resolve, reject);
    });
  });
  return { result, over };
}

export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>, signal?: AbortSignal | undefined): Promise<T> {
    const { result, over } = inTurn(this.#last, work, signal);
    this.#last = over;
    return result;
  }
}
