// Policies without a monitor: checked one after the other, as a monitor would when it starts. One thread does for
// all of them, since its start takes some 300 ms of a processor, most of it for the YAML parser; only one that a dead
// disk holds is left behind, and the next file has another.

import { invalidType, requireFunction, requireList, requireObject, requireText } from "@ringway/linux";
import { readDocument, type YamlPlace } from "../policy/document.ts";
import type { Warn } from "../policy/parse.ts";
import type { Policy } from "../policy/types.ts";
import { Loader, NoAnswerError } from "./loader.ts";
import { type JudgedPolicy, readPolicy } from "./policy-file.ts";
import { type KeptPlace, requirePlace } from "./root-problems.ts";

export interface TextOptions {
  readonly file: string;
  readonly kept?: readonly KeptPlace[];
  readonly warn?: Warn | undefined;
}

/** Who reads and judges the policies: a thread, where nobody gives another. */
export interface PolicyChecker {
  check(path: string, kept: readonly KeptPlace[], bytes?: Uint8Array): Promise<JudgedPolicy>;
  read(path: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

export class PolicyLoader implements AsyncDisposable {
  readonly #make: () => PolicyChecker;
  #loader: PolicyChecker | undefined;

  constructor(make: () => PolicyChecker = () => new Loader(() => {})) {
    this.#make = make;
  }

  /**
   * A policy from a file, whose hosts of files are folders that exist, and hold neither the file nor what is `kept`.
   * `warn` is told what may be meant, and seldom is. Throws PolicyError.
   */
  async load(path: string, kept: readonly KeptPlace[] = [], warn?: Warn): Promise<Policy> {
    requireText(path, "path");
    return await this.#check(path, kept, warn);
  }

  /**
   * The same of a text, UTF-8; `file` is for messages, and its folder for relative hosts of files. Throws PolicyError.
   */
  async loadText(bytes: Uint8Array, options: TextOptions): Promise<Policy> {
    if (!(bytes instanceof Uint8Array)) throw invalidType("bytes", "an instance of Uint8Array", bytes);
    requireObject(options, "options", "an object such as { file }");
    const { file, kept = [], warn } = options;
    requireText(file, "options.file");
    return await this.#check(file, kept, warn, bytes);
  }

  /**
   * What `read` makes of another file in YAML, with the complaints that a policy has. Throws PolicyError, with all that
   * it complained of.
   */
  async readYaml<T>(path: string, read: (root: YamlPlace) => T): Promise<T> {
    requireText(path, "path");
    requireFunction(read, "read");
    const bytes = await this.#ask((loader) => loader.read(path));
    return readDocument(bytes, path, read);
  }

  async close(): Promise<void> {
    const loader = this.#loader;
    this.#loader = undefined;
    await loader?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #check(
    path: string,
    kept: readonly KeptPlace[],
    warn: Warn = () => {},
    bytes?: Uint8Array,
  ): Promise<Policy> {
    requireList(kept, "kept", requirePlace);
    requireFunction(warn, "warn");
    const { policy, warnings } = await this.#ask((loader) => loader.check(path, kept, bytes));
    for (const warning of warnings) warn(warning);
    return policy;
  }

  async #ask<T>(question: (loader: PolicyChecker) => Promise<T>): Promise<T> {
    this.#loader ??= this.#make();
    try {
      return await question(this.#loader);
    } catch (error) {
      if ((error as Error).cause instanceof NoAnswerError) await this.close();
      throw error;
    }
  }
}

/** One policy from a file: see PolicyLoader.load(). */
export async function loadPolicy(
  path: string,
  kept: readonly KeptPlace[] = [],
  warn?: Warn,
): Promise<Policy> {
  await using loader = new PolicyLoader();
  return await loader.load(path, kept, warn);
}

/** The same on this thread, which waits for the disk: for a program that has nothing else to do yet. */
export function loadPolicySync(path: string, kept: readonly KeptPlace[] = [], warn: Warn = () => {}): Policy {
  requireText(path, "path");
  requireList(kept, "kept", requirePlace);
  requireFunction(warn, "warn");
  const { policy, warnings } = readPolicy(path, kept, () => {});
  for (const warning of warnings) warn(warning);
  return policy;
}
