// AbortSignals: one way to listen, which never leaks a listener.

import { setMaxListeners } from "node:events";
import { requireKeys, requireObject, requireSignal } from "@ringway/linux";
import { AbortError } from "./errors.ts";

/** What every operation takes. */
export interface AbortOptions {
  /** Ends the wait with AbortError; what the host has begun, it still does. */
  readonly signal?: AbortSignal | undefined;
}

/** Of a call that Node has no like of, and that takes nothing else. */
export function signalOf(options: AbortOptions = {}): AbortSignal | undefined {
  requireObject(options, "options");
  requireKeys(options, "option", ["signal"]);
  return options.signal;
}

/** Throws AbortError where the signal is aborted already, and TypeError where it is none. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  requireSignal(signal, "options.signal");
  if (signal.aborted) throw new AbortError(signal);
}

/** Calls `listener` once when the signal aborts, until the result is called. */
export function onAbort(signal: AbortSignal | undefined, listener: (error: AbortError) => void): () => void {
  if (signal === undefined) return () => {};
  const handler = (): void => listener(new AbortError(signal));
  signal.addEventListener("abort", handler, { once: true });
  return () => signal.removeEventListener("abort", handler);
}

/** Does the work with a signal that aborts when this one does: any number may listen to it, and Node warns of none. */
export async function withOwnSignal<T>(
  signal: AbortSignal | undefined,
  work: (own: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return await work(undefined);
  throwIfAborted(signal);
  const own = new AbortController();
  setMaxListeners(0, own.signal);
  const stop = onAbort(signal, () => own.abort(signal.reason));
  try {
    return await work(own.signal);
  } finally {
    stop();
  }
}

/** As the promise, which others may wait for too; or AbortError, where the signal aborts before it. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const stop = onAbort(signal, reject);
    promise.then(resolve, reject).finally(stop);
  });
}

/** Resolves after `ms`; rejects with AbortError when the signal aborts. */
export function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new AbortError(signal));
    const stop = onAbort(signal, (error) => {
      clearTimeout(timer);
      reject(error);
    });
    const timer = setTimeout(() => {
      stop();
      resolve();
    }, ms);
    return undefined;
  });
}
