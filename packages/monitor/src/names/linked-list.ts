// A doubly linked list whose entries are their own links: put at the end, taken from the front or from anywhere, each
// in constant time. An entry is in one list at the most.

export class Link {
  previous: Link | undefined;
  next: Link | undefined;
  listed = false;
}

export class LinkedList<T extends Link> {
  #first: Link | undefined;
  #last: Link | undefined;

  get first(): T | undefined {
    return this.#first as T | undefined;
  }

  push(entry: T): void {
    entry.listed = true;
    entry.previous = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
  }

  remove(entry: T): void {
    if (!entry.listed) return;
    entry.listed = false;
    const { previous, next } = entry;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    entry.previous = undefined;
    entry.next = undefined;
  }
}
