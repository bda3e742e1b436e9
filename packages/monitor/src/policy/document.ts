// Other files of the host's in YAML, by the reader that policies have, with complaints in the same words and at the
// line and column of what is wrong. Whoever reads one takes it apart place by place; each says what is wrong there, and
// answers undefined then: all mistakes of a file are told at once.

import { decode } from "./decode.ts";
import { PolicyError, type PolicyProblem } from "./errors.ts";
import { formatPath, isMap, unknownKey } from "./schema.ts";
import { type Path, readSource, type Source } from "./source.ts";
import { expectedFound, quoted, shown } from "./text.ts";

/** A place in a YAML file, and what stands there. `expected` says in messages what should. */
export interface YamlPlace {
  readonly value: unknown;
  readonly line: number;
  readonly column: number;
  complain(message: string): void;
  /** Of a map that has no keys but these, and all of those that are required. */
  map(
    expected: string,
    keys: { readonly known: readonly string[]; readonly required?: readonly string[] },
  ): ReadonlyMap<string, YamlPlace> | undefined;
  /** Of a map that may have any keys. */
  entries(expected: string): ReadonlyMap<string, YamlPlace> | undefined;
  list(expected: string): readonly YamlPlace[] | undefined;
  /** One that stands alone, too. */
  oneOrMore(expected: string): readonly YamlPlace[];
  /** Not empty, and without NUL. */
  text(expected: string): string | undefined;
  /** A whole number within bounds, both allowed. */
  whole(expected: string, bounds: readonly [least: number, most: number]): number | undefined;
  oneOf<T extends string | boolean>(words: readonly T[]): T | undefined;
}

/** What `read` makes of a text, UTF-8; `file` is for messages. Throws PolicyError with all that it complained of. */
export function readDocument<T>(bytes: Uint8Array, file: string, read: (root: YamlPlace) => T): T {
  const result = readSource(decode(bytes, file));
  if ("problems" in result) throw new PolicyError(file, result.problems);
  const problems: PolicyProblem[] = [];
  const made = read(new Place(result.source, [], problems));
  if (problems.length > 0) throw new PolicyError(file, problems);
  return made;
}

class Place implements YamlPlace {
  readonly value: unknown;
  readonly #source: Source;
  readonly #path: Path;
  readonly #problems: PolicyProblem[];

  constructor(source: Source, path: Path, problems: PolicyProblem[]) {
    this.#source = source;
    this.#path = path;
    this.#problems = problems;
    this.value = path.reduce<unknown>(
      (at, step) => (at as Record<string | number, unknown>)[step],
      source.value,
    );
  }

  get line(): number {
    return this.#source.locate(this.#path).line;
  }

  get column(): number {
    return this.#source.locate(this.#path).column;
  }

  complain(message: string): void {
    this.#complain(this.#path, message);
  }

  map(
    expected: string,
    { known, required = [] }: { readonly known: readonly string[]; readonly required?: readonly string[] },
  ): ReadonlyMap<string, YamlPlace> | undefined {
    const entries = this.entries(expected);
    if (entries === undefined) return undefined;
    for (const key of entries.keys()) {
      if (!known.includes(key)) this.#complain(this.#path, unknownKey(key, known), key);
    }
    for (const key of required) {
      if (!entries.has(key)) this.complain(`expected the key ${quoted(key)}, which is missing`);
    }
    return entries;
  }

  entries(expected: string): ReadonlyMap<string, YamlPlace> | undefined {
    if (!isMap(this.value)) return this.#expected(expected);
    return new Map(Object.keys(this.value as object).map((key) => [key, this.#at(key)]));
  }

  list(expected: string): readonly YamlPlace[] | undefined {
    if (!Array.isArray(this.value)) return this.#expected(expected);
    return this.value.map((_, index) => this.#at(index));
  }

  oneOrMore(expected: string): readonly YamlPlace[] {
    return Array.isArray(this.value) ? this.list(expected)! : [this];
  }

  text(expected: string): string | undefined {
    const { value } = this;
    if (typeof value !== "string" || value === "" || value.includes("\0")) return this.#expected(expected);
    return value;
  }

  whole(expected: string, [least, most]: readonly [number, number]): number | undefined {
    const { value } = this;
    const isOne = typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
    return isOne ? value : this.#expected(expected);
  }

  oneOf<T extends string | boolean>(words: readonly T[]): T | undefined {
    const word = words.find((each) => each === this.value);
    return word ?? this.#expected(`one of ${words.join(", ")}`);
  }

  #at(step: string | number): Place {
    return new Place(this.#source, [...this.#path, step], this.#problems);
  }

  #expected(expected: string): undefined {
    this.complain(expectedFound(expected, shown(this.value)));
  }

  /** Of the value at `path`, or of a key of it. */
  #complain(path: Path, message: string, key?: string): void {
    const at = key === undefined ? this.#source.locate(path) : this.#source.locate([...path, key], "key");
    this.#problems.push({ ...at, path: formatPath(path), message });
  }
}
