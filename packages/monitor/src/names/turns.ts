// Who may look up a name now: so many at once, so many of them for one key, each paid for by its key, and the keys that
// wait in turn. Whatever is done, it takes constant time: a key may have as many waiting as it may have requests.
//
//   enter ─▶ waiting ── its turn, and paid for ──▶ running ── leave ──▶ gone
//               └────────────────── leave ───────────────────────────▶ gone
//
// A key that cannot pay rests, with all that it has waiting, and keeps nobody else from anything.

import { Link, LinkedList } from "./linked-list.ts";

/** Who pays: an account. */
export interface Payer {
  readonly key: string;
  /** Pays for a lookup that begins: 0. Or nothing, and the milliseconds until it can. */
  payLookup(): number;
}

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
  readonly payer: Payer;
  readonly waiting: LinkedList<Turn> = new LinkedList();
  running = 0;
  rests = false;

  constructor(payer: Payer) {
    super();
    this.payer = payer;
  }
}

export class Turns {
  readonly #most: number;
  readonly #mostPerKey: number;
  readonly #rest: (delayMs: number, over: () => void) => void;
  readonly #lanes: Map<string, Lane> = new Map();
  readonly #ready: LinkedList<Lane> = new LinkedList();
  #running = 0;

  /** `rest`: a key cannot pay for so long. */
  constructor(most: number, mostPerKey: number, rest: (delayMs: number, over: () => void) => void) {
    this.#most = most;
    this.#mostPerKey = mostPerKey;
    this.#rest = rest;
  }

  /**
   * Calls `go` when it is this one's turn, which may be before this returns; it must not leave() before `go` returns.
   */
  enter(payer: Payer, go: () => void): Turn {
    let lane = this.#lanes.get(payer.key);
    if (lane === undefined) {
      lane = new Lane(payer);
      this.#lanes.set(payer.key, lane);
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
      // To the end of the queue: the other keys first.
      this.#ready.remove(lane);
      const restMs = lane.payer.payLookup();
      if (restMs > 0) this.#restFor(lane, restMs);
      else this.#run(lane);
    }
  }

  #run(lane: Lane): void {
    const turn = lane.waiting.first!;
    lane.waiting.remove(turn);
    turn.running = true;
    lane.running++;
    this.#running++;
    this.#update(lane);
    turn.go();
  }

  /** One timer for a key, whatever comes and goes of it meanwhile. */
  #restFor(lane: Lane, restMs: number): void {
    lane.rests = true;
    this.#rest(restMs, () => {
      lane.rests = false;
      this.#update(lane);
      this.#next();
    });
  }

  #update(lane: Lane): void {
    const waits = lane.waiting.first !== undefined;
    const mayRun = waits && !lane.rests && lane.running < this.#mostPerKey;
    if (mayRun && !lane.listed) this.#ready.push(lane);
    if (!mayRun) this.#ready.remove(lane);
    if (!waits && !lane.rests && lane.running === 0) this.#lanes.delete(lane.payer.key);
  }
}
