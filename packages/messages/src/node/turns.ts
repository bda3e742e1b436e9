// Turns of Node's loop, for those who do a bounded piece of work in each: a stream that has had its share goes on in
// the next turn, behind all that others have to do.

let turn = 0;
let isDue = false;
let waiting: (() => void)[] = [];

let time = 0;

/** Milliseconds of a clock that does not go back, as it was when this turn first asked. */
export function turnTime(): number {
  arm();
  return time;
}

/** The same number until the loop has gone round. */
export function currentTurn(): number {
  arm();
  return turn;
}

/** Calls it in the next turn. */
export function inNextTurn(work: () => void): void {
  waiting.push(work);
  arm();
}

function arm(): void {
  if (isDue) return;
  isDue = true;
  time = performance.now();
  setImmediate(next);
}

function next(): void {
  turn++;
  isDue = false;
  const works = waiting;
  waiting = [];
  let done = 0;
  try {
    while (done < works.length) works[done++]!();
  } finally {
    // One that throws stops none of the others.
    if (done < works.length) {
      waiting = [...works.slice(done), ...waiting];
      arm();
    }
  }
}
