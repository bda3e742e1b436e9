// What is put for somebody who waits for it, or will.

/** What is waited for, one after the other, until the end. */
export class Queue<T> {
  #items: T[] = [];
  #first = 0;
  #isEnded = false;
  #waiting: ((result: IteratorResult<T, undefined>) => void)[] = [];

  put(item: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting({ done: false, value: item });
  }

  end(): void {
    this.#isEnded = true;
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  /** And what is there is nobody's. */
  clear(): void {
    this.#items = [];
    this.#first = 0;
    this.end();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#first < this.#items.length) {
      const value = this.#items[this.#first]!;
      this.#first++;
      if (this.#first > 1024 || this.#first === this.#items.length) {
        this.#items.splice(0, this.#first);
        this.#first = 0;
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
