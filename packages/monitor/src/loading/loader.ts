// What waits for a file system on the way to a policy in force, or to a socket, done on a thread of its own: neither
// the main thread nor the reactor ever stands still for a dead disk, and there is an end to how long anybody waits for
// an answer.
//
//   idle ── a question, and what it looks at first ──> looking ── answer ──> idle
//                                                        │ ↑ what it looks at next: LOAD_MS begin anew
//                                                        └─┴── LOAD_MS over ──> stuck ── answer ──> idle
//
// Nobody waits for the answer of one that was stuck: what it opened is closed.
//
// A disk may be slow, as long as it goes on. What is not a disk has no limit: the thread itself may take long to load,
// where the machine is busy, and so may a long policy's text. While it is stuck, every question is refused at once: one
// thread is all that a dead disk can take.

import { closeFd, Deadline, NativeThread, type UnixType, waitWithin } from "@ringway/linux";
import { closeRoots } from "../disk/roots.ts";
import type { OpenMemory } from "../links/vm-memory.ts";
import { unreadable } from "../policy/errors.ts";
import type { Policy } from "../policy/types.ts";
import { removeSocketFile } from "./listening.ts";
import {
  type FromLoader,
  type Listening,
  type LoadedPolicy,
  type LoaderAnswers,
  type LoaderQuestion,
  type ToLoader,
  unpackError,
} from "./messages.ts";
import type { JudgedPolicy } from "./policy-file.ts";
import type { KeptPlace, RootProblem } from "./root-problems.ts";

/**
 * How long a file system may take for one thing that it is asked. An automount of a file server that sleeps takes a
 * second or two.
 */
const LOAD_MS = 5000;
/** How long the end of the process waits for its socket's file to be removed. */
const UNLINK_NOW_MS = 1000;
/** How long close() waits for a thread that is in a call. */
const CLOSE_MS = 100;

/** No answer in time: from the file system behind `path`. */
export class NoAnswerError extends Error {
  override readonly name: string = "NoAnswerError";
  readonly code: "ERR_RINGWAY_NO_ANSWER" = "ERR_RINGWAY_NO_ANSWER";
  readonly path: string;

  constructor(path: string) {
    super(`the file system of ${JSON.stringify(path)} has not answered within ${LOAD_MS / 1000} s`);
    this.path = path;
  }
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export class Loader {
  readonly #thread: NativeThread;
  readonly #waiting: Map<number, Waiting> = new Map();
  #nextId = 1;
  #at = "";
  /** For what it looks at; there while somebody waits for that. */
  #limit: Deadline | undefined;
  /** Questions whose asker has given up. */
  #stuck = 0;
  #failure: Error | undefined;

  /** `failed` is told when the thread ends by itself. */
  constructor(failed: (error: Error) => void) {
    this.#thread = new NativeThread(new URL("./loader-main.js", import.meta.url), {
      name: "loader",
      workerData: {},
    });
    this.#thread.on("message", (message: FromLoader) => this.#onMessage(message));
    this.#thread.onFailure((error) => {
      this.#failure = error;
      this.#refuseAll(error);
      failed(error);
    });
    this.#thread.unref();
  }

  /** Throws PolicyError, NoAnswerError. */
  check(path: string, kept: readonly KeptPlace[], bytes?: Uint8Array): Promise<JudgedPolicy> {
    return this.#ask({ kind: "check", path, bytes, kept }).catch((error) => rejectFile(path, error));
  }

  /** What a file has, as far as a policy may be long, and a byte more. Throws PolicyError, NoAnswerError. */
  read(path: string): Promise<Uint8Array> {
    return this.#ask({ kind: "read", path }).catch((error) => rejectFile(path, error));
  }

  /**
   * A policy, or a policy file, or a text in place of it, and its roots, whose descriptors are the caller's. Throws
   * PolicyError, NoAnswerError.
   */
  load(policy: Policy | string, kept: readonly KeptPlace[], bytes?: Uint8Array): Promise<LoadedPolicy> {
    if (typeof policy !== "string") return this.#ask({ kind: "open", policy, kept });
    return this.#ask({ kind: "load", path: policy, bytes, kept }).catch((error) => rejectFile(policy, error));
  }

  /**
   * What is wrong with the roots of a policy that is in force, beside other things that are kept. Throws NoAnswerError.
   */
  judge(policy: Policy, kept: readonly KeptPlace[]): Promise<readonly RootProblem[]> {
    return this.#ask({ kind: "judge", policy, kept });
  }

  /**
   * A descriptor of a VM's memory, for mapVmMemory(): the caller's. Throws VmMemoryError, SystemError, NoAnswerError.
   */
  openVmMemory(memory: string | number, bytes: number): Promise<OpenMemory> {
    return this.#ask({ kind: "open-vm-memory", memory, bytes });
  }

  /** Throws what listenUnix() throws, and NoAnswerError. */
  listen(path: string, type: UnixType = "seqpacket"): Promise<Listening> {
    return this.#ask({ kind: "listen", path, type });
  }

  /** One that is listened on already. Throws NoAnswerError. */
  inherit(fd: number, path: string): Promise<Listening> {
    return this.#ask({ kind: "inherit", fd, path });
  }

  /** Removes the socket's file where it is still its own. */
  async unlink(listening: Listening): Promise<void> {
    // A monitor without its loader ends: there is nobody left to keep from waiting.
    if (this.#failure !== undefined) {
      removeSocketFile(listening);
      return;
    }
    try {
      await this.#ask({ kind: "unlink", listening });
    } catch (error) {
      if (!(error instanceof NoAnswerError) || this.#at === listening.path) throw error;
      await this.#unlinkElsewhere(listening);
    }
  }

  /** What this one waits for may be another disk than the socket's. */
  async #unlinkElsewhere(listening: Listening): Promise<void> {
    const other = new Loader(() => {});
    try {
      await other.#ask({ kind: "unlink", listening });
    } finally {
      await other.close();
    }
  }

  /** The same while this thread's loop turns no more: waits for it here, and not for long. */
  unlinkNow(listening: Listening): void {
    if (this.#failure !== undefined) removeSocketFile(listening);
    if (this.#failure !== undefined || this.#stuck > 0) return;
    const done = new Int32Array(new SharedArrayBuffer(4));
    this.#thread.postMessage({ kind: "unlink", listening, done, id: 0 } satisfies ToLoader);
    waitWithin(done, 0, 0, UNLINK_NOW_MS);
  }

  async close(): Promise<void> {
    await this.#thread.stop(CLOSE_MS);
    this.#failure ??= new Error("the monitor is closed");
    this.#refuseAll(this.#failure);
  }

  #ask<K extends LoaderQuestion["kind"]>(
    question: Extract<LoaderQuestion, { kind: K }>,
  ): Promise<LoaderAnswers[K]> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#stuck > 0) return Promise.reject(new NoAnswerError(this.#at));
    const id = this.#nextId++;
    return new Promise<LoaderAnswers[K]>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: never) => void, reject });
      // Who waits for an answer keeps the process.
      this.#thread.ref();
      this.#thread.postMessage({ ...question, id } satisfies ToLoader);
    });
  }

  #looksAt(path: string | undefined): void {
    this.#at = path ?? "";
    this.#endLimit();
    if (path === undefined || this.#waiting.size === 0) return;
    this.#limit = new Deadline(LOAD_MS, () => {
      this.#stuck += this.#waiting.size;
      this.#refuseAll(new NoAnswerError(path));
    });
  }

  #endLimit(): void {
    this.#limit?.cancel();
    this.#limit = undefined;
  }

  #refuseAll(error: Error): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#thread.unref();
    this.#endLimit();
    for (const { reject } of all) reject(error);
  }

  #onMessage(message: FromLoader): void {
    if (message.kind === "at") {
      this.#looksAt(message.path);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) this.#thread.unref();
    this.#endLimit();
    if (waiting === undefined) {
      this.#stuck--;
      if (message.kind === "done") letGo(message.value);
    } else if (message.kind === "failed") waiting.reject(unpackError(message.error));
    else waiting.resolve(message.value as never);
  }
}

/** Closes what nobody will use: an answer of the loader. */
export function letGo(answer: unknown): void {
  const { roots, fd } = answer as Partial<LoadedPolicy & Listening & OpenMemory>;
  if (roots !== undefined) closeRoots(roots);
  if (fd !== undefined) closeFd(fd);
}

function rejectFile(file: string, error: unknown): never {
  if (!(error instanceof NoAnswerError)) throw error;
  throw unreadable(file, error.message, error);
}
