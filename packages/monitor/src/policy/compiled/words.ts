// The one array of u32 words that all tables of compiled rules live in, so that another thread gets them whole, by
// reference. A place is an index into it; place 0 holds nothing, and means "none".

/** An index into the words of a compiled policy; 0 is none. */
export type Place = number;
export const NONE: Place = 0;

export class WordsWriter {
  #words: Uint32Array = new Uint32Array(1024);
  #length = 1;

  append(words: ArrayLike<number>): Place {
    const place = this.#length;
    this.#length += words.length;
    if (this.#length > this.#words.length) {
      const larger = new Uint32Array(2 ** Math.ceil(Math.log2(this.#length)));
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words.set(words, place);
    return place;
  }

  /** Shared memory: posting it to a Worker copies nothing. */
  finish(): Uint32Array {
    const words = new Uint32Array(new SharedArrayBuffer(this.#length * 4));
    words.set(this.#words.subarray(0, this.#length));
    return words;
  }
}

/** Texts in one string, each by where it begins and how long it is. */
export class TextsWriter {
  readonly #texts: string[] = [];
  #length = 0;

  add(text: string): readonly [start: number, length: number] {
    const start = this.#length;
    this.#texts.push(text);
    this.#length += text.length;
    return [start, text.length];
  }

  finish(): string {
    return this.#texts.join("");
  }
}
