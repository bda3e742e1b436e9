// Who may look up a name now: so many at once, so many of them for one key, and the keys that wait in turn. Whatever is
// done, it takes constant time: a key may have as many waiting as it may have requests.
//
//   enter ─▶ waiting ── its turn ──▶ running ── leave ──▶ gone
//               └───────────── leave ────────────────────▶ gone

import { Link, LinkedList } from "./linked-list.ts";

/** What waits for its turn, and has it. */
export class Turn extends Link {
  readonly lane: Lane;
  readonly go: () => void;
  running = false;

  constructor(lane: Lane, go: () => void) {
    super();
    this.lane = lane;
    this.go = go;
  }
}

/** All of one key. Listed among the lanes while one of its turns could run. */
class Lane extends Link {
  readonly key: string;
  readonly waiting: LinkedList<Turn> = new LinkedList();
  running = 0;

  constructor(key: string) {
    super();
    this.key = key;
  }
}

export class Turns {
  readonly #most: number;
  readonly #mostPerKey: number;
  readonly #lanes: Map<string, Lane> = new Map();
  readonly #ready: LinkedList<Lane> = new LinkedList();
  #running = 0;

  constructor(most: number, mostPerKey: number) {
    this.#most = most;
    this.#mostPerKey = mostPerKey;
  }

  /**
   * Calls `go` when it is this one's turn, which may be before this returns; it must not leave() before `go` returns.
   */
  enter(key: string, go: () => void): Turn {
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(key);
      this.#lanes.set(key, lane);
    }
    const turn = new Turn(lane, go);
    lane.waiting.push(turn);
    this.#update(lane);
    this.#next();
    return turn;
  }

  /** Gives the turn, or the place in the queue, back. Once for each turn. */
  leave(turn: Turn): void {
    const { lane } = turn;
    if (turn.running) {
      lane.running--;
      this.#running--;
    } else lane.waiting.remove(turn);
    this.#update(lane);
    this.#next();
  }

  #next(): void {
    for (let lane = this.#ready.first; lane !== undefined; lane = this.#ready.first) {
      if (this.#running >= this.#most) return;
      const turn = lane.waiting.first!;
      lane.waiting.remove(turn);
      turn.running = true;
      lane.running++;
      this.#running++;
      // To the end of the queue: the other keys first.
      this.#ready.remove(lane);
      this.#update(lane);
      turn.go();
    }
  }

  #update(lane: Lane): void {
    const waits = lane.waiting.first !== undefined;
    const mayRun = waits && lane.running < this.#mostPerKey;
    if (mayRun && !lane.listed) this.#ready.push(lane);
    if (!mayRun) this.#ready.remove(lane);
    if (!waits && lane.running === 0) this.#lanes.delete(lane.key);
  }
}
