// The signals that a command which serves guests heeds: SIGHUP, SIGTERM, SIGINT. bin/early.js keeps those that come
// before it takes them.

/** What bin/early.js gives. */
export interface Signals {
  /** From now on `handler` gets each signal, those that have come already first. */
  take(handler: (signal: NodeJS.Signals) => void): void;
}

/** For run() in a program that has its own idea of signals: none come. */
export const NO_SIGNALS: Signals = { take: () => {} };

/** Ends the process by the signal, as if nobody had handled it. */
export function dieBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
