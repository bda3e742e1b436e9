// What somebody waits for, what is told before somebody listens, and what waits for its turn.

/** A promise, and the two ends of it. */
export interface Pending<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

export function pending<T>(): Pending<T> {
  let settle: Omit<Pending<T>, "promise"> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle! };
}

/** Keeps what is told until somebody listens: parts of a monitor speak before there is one. */
export class Early<T> {
  readonly #told: T[] = [];
  #listener: ((value: T) => void) | undefined;

  /** The first that was told, while nobody listens. */
  get first(): T | undefined {
    return this.#told[0];
  }

  tell(value: T): void {
    if (this.#listener === undefined) this.#told.push(value);
    else this.#listener(value);
  }

  /** All that was told, in its order, and all that will be. Once. */
  listen(listener: (value: T) => void): void {
    this.#listener = listener;
    for (const value of this.#told.splice(0)) listener(value);
  }
}

/** Changes that must not overtake each other: one begins when the one before is over, however that ended. */
export class InTurn {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(change);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
