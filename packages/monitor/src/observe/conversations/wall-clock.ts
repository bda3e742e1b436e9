// Unix time with parts of a millisecond, for what is told of conversations: Date.now() has none, and performance.now()
// goes its own way from the time at which its thread began, past what sets the clock or lets the machine sleep.
//
// Invariant: within LATE_MS of Date.now(), and it goes back only where the clock was set back.

/** What it may be beside Date.now(), which is up to 1 ms behind as it is. */
const LATE_MS = 3;
/** By less than this it does not go back: it stands still. */
const SET_BACK_MS = 100;

let baseMs = performance.timeOrigin;
let lastMs = 0;

/** Milliseconds of Unix time. */
export function wallMs(): number {
  const sinceMs = performance.now();
  const dateMs = Date.now();
  if (Math.abs(baseMs + sinceMs - dateMs) > LATE_MS) baseMs = dateMs - sinceMs;
  const nowMs = baseMs + sinceMs;
  if (nowMs < lastMs && lastMs - nowMs < SET_BACK_MS) return lastMs;
  lastMs = nowMs;
  return nowMs;
}
