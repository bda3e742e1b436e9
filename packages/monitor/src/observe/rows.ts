// Lines of several keys on their way into one file, which may take fewer than there are: each key has a row, and the
// rows take turns, in each of which one gives as many bytes as any other. So a key's lines wait behind its own, and
// behind as many bytes of each other key.
//
//   put() ──▶ the key's row ── its turns ──▶ the file, in the row's order
//
// Invariants: no row is empty; `bytes` and `required` are the sums of what waits.

/** What waits in a row. */
export type RowEntry =
  | {
      readonly kind: "text";
      readonly text: string;
      readonly bytes: number;
      readonly lines: number;
      readonly required: boolean;
    }
  /** In their place, what was lost: others may be lost beside it. */
  | { readonly kind: "lost"; lines: number; bytes: number; readonly errno: string }
  /** Somebody is told that what was before it is through. */
  | { readonly kind: "mark"; readonly passed: () => void };

/** Of each row in its turn. A line may have more: then it waits for several turns. */
export const TURN_BYTES: number = 4 * 1024;

export class Row {
  readonly #entries: RowEntry[] = [];
  /** Of the entries, those that are through: taken from the front by many, since each time moves the others. */
  #through = 0;
  bytes = 0;
  /** Texts that must be written. */
  required = 0;
  /** What it may give in its turn still. */
  credit = 0;

  get first(): RowEntry | undefined {
    return this.#entries[this.#through];
  }

  get last(): RowEntry | undefined {
    return this.first && this.#entries.at(-1);
  }

  /** Lines that wait, and those that were lost and are not said yet. */
  get lines(): number {
    let lines = 0;
    for (const entry of this.#entries.slice(this.#through)) if (entry.kind !== "mark") lines += entry.lines;
    return lines;
  }

  put(entry: RowEntry): void {
    this.#entries.push(entry);
    this.#count(entry, 1);
  }

  shift(): void {
    this.#count(this.first!, -1);
    this.#through++;
    if (this.#through < 1024 || 2 * this.#through < this.#entries.length) return;
    this.#entries.splice(0, this.#through);
    this.#through = 0;
  }

  #count(entry: RowEntry, sign: number): void {
    if (entry.kind !== "text") return;
    this.bytes += sign * entry.bytes;
    if (entry.required) this.required += sign;
  }
}

export class Rows {
  /** In the order of their turns: the first has its turn, or is the next to have one. */
  readonly #rows: Map<string, Row> = new Map();
  #isInTurn = false;
  bytes = 0;

  get count(): number {
    return this.#rows.size;
  }

  of(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  /** As of the rows. */
  get lines(): number {
    let lines = 0;
    for (const row of this.#rows.values()) lines += row.lines;
    return lines;
  }

  put(key: string, entry: RowEntry): void {
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = new Row();
      this.#rows.set(key, row);
    }
    row.put(entry);
    if (entry.kind === "text") this.bytes += entry.bytes;
  }

  /** Gives what waits to `take`, the rows in turns, until that takes no more text: false. */
  give(take: (entry: RowEntry) => boolean): void {
    for (;;) {
      const next = this.#rows.entries().next();
      if (next.done) return;
      const [key, row] = next.value;
      if (!this.#isInTurn) row.credit += TURN_BYTES;
      this.#isInTurn = true;
      if (!this.#giveOf(row, take)) return;
      this.#isInTurn = false;
      this.#rows.delete(key);
      // Its next turn is after the others'.
      if (row.first !== undefined) this.#rows.set(key, row);
    }
  }

  /** As much as its turn allows; false: nothing more is taken. */
  #giveOf(row: Row, take: (entry: RowEntry) => boolean): boolean {
    for (let entry = row.first; entry !== undefined; entry = row.first) {
      if (entry.kind !== "text") {
        // Always taken. First it is through: whatever its taking causes finds it no more.
        row.shift();
        take(entry);
        continue;
      }
      const { bytes } = entry;
      if (bytes > row.credit) return true;
      if (!take(entry)) return false;
      row.credit -= bytes;
      this.bytes -= bytes;
      row.shift();
    }
    return true;
  }
}
