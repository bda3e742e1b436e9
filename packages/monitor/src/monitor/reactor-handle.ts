// The reactor's thread as the main thread has it: it is told by messages, and rung for each, since it sleeps in epoll
// and sees none.
//
//   RUNNING ── stop(): "stop" is told ──> STOPPING ── "stopped", or its time over ──> GONE ── end() ──> over, or stuck
//      └────────── the thread fails ─────────┴─────────────────────────────────────────┘
//
// GONE: nobody is there to be told anything, and the eventfd's number may be another's by now.

import { closeFd, createEventfd, NativeThread, ringEventfd, within } from "@ringway/linux";
import type { Fields, Question } from "../thread/census-rows.ts";
import {
  type FromReactor,
  REACTOR_MODULE,
  type ReactorMemory,
  type ReactorOptions,
  type ToReactor,
} from "../thread/messages.ts";
import { ClosedError } from "./closed-error.ts";
import { type Pending, pending } from "./pending.ts";

/** How long the reactor may take to stop, beyond the time to drain: it waits a second for disks itself. */
export const REACTOR_STOP_MS = 3000;

export type Stopped = Extract<FromReactor, { kind: "stopped" }>;
type Answer = Extract<FromReactor, { kind: "policy" | "memory" | "answer" | "stopped" }>;
/** What is not an answer to the handle itself. */
export type Told = Exclude<FromReactor, Answer>;

/** What the thread is given, but for the eventfd, which is the handle's to make. */
export type ReactorSettings = Omit<ReactorOptions, "wakeFd">;

export interface ReactorListener {
  onMessage(message: Told): void;
  /** What the thread prints: Node's warnings, for one. */
  onPrint(text: string): void;
  /** The thread ended by itself, and with it every guest. */
  onFailure(error: Error): void;
}

export class ReactorHandle {
  readonly #thread: NativeThread;
  readonly #wakeFd: number;
  readonly #listener: ReactorListener;
  readonly #memoryRequests: Map<number, Pending<ReactorMemory>> = new Map();
  #nextMemoryRequest = 1;
  readonly #questions: Map<number, { readonly fields: Fields; readonly answer: Pending<Fields> }> = new Map();
  #nextQuestion = 1;
  /** Policies that were sent and are not in force yet: the reactor answers in order. */
  readonly #sent: Pending<boolean>[] = [];
  /** It has told that it is over, or has failed. */
  readonly #stopped: Pending<Stopped | undefined> = pending();
  #gone = false;

  /** Takes the ports of `options` over, and its listening sockets: the thread closes those at its end. */
  constructor(options: ReactorSettings, listener: ReactorListener) {
    this.#listener = listener;
    this.#wakeFd = createEventfd();
    const { disk, regions, listenFd, tenants } = options;
    this.#thread = new NativeThread(REACTOR_MODULE, {
      name: "reactor",
      workerData: { ...options, wakeFd: this.#wakeFd } satisfies ReactorOptions,
      transferList: [...disk.ports, regions.port],
      wake: () => ringEventfd(this.#wakeFd),
    });
    this.#thread.on("message", (message: FromReactor) => this.#onMessage(message));
    this.#thread.onPrint((text) => listener.onPrint(text));
    this.#thread.onFailure((error) => {
      this.#gone = true;
      this.#stopped.resolve(undefined);
      this.#refuseQuestions();
      // Its own end would have closed them.
      if (listenFd >= 0) closeFd(listenFd);
      for (const { socket } of tenants) closeFd(socket.fd);
      listener.onFailure(error);
    });
  }

  /** Descriptors of guests are counted from its number. */
  get wakeFd(): number {
    return this.#wakeFd;
  }

  send(message: ToReactor): void {
    if (this.#gone) return;
    this.#thread.postMessage(message);
    ringEventfd(this.#wakeFd);
  }

  /**
   * True once what guests ask is judged by it, or those of `tenant` alone; false where nobody is left to ask.
   */
  putInForce(policy: ReactorOptions["policy"], tenant?: string): Promise<boolean> {
    const inForce = pending<boolean>();
    this.#sent.push(inForce);
    this.send({ kind: "policy", policy, tenant });
    return inForce.promise;
  }

  /** After a collection where `gc` is true and Node runs with --expose-gc. */
  memory(gc: boolean): Promise<ReactorMemory> {
    const id = this.#nextMemoryRequest++;
    const request = pending<ReactorMemory>();
    this.#memoryRequests.set(id, request);
    this.send({ kind: "memory", id, gc });
    return request.promise;
  }

  /** Rejects where nobody is left to ask. */
  ask(question: Question): Promise<Fields> {
    return this.#ask((id) => ({ kind: "ask", id, question }));
  }

  /** How long the reactor takes to see what is posted, in seconds. Rejects as ask(). */
  async lag(): Promise<number> {
    const sentNs = process.hrtime.bigint();
    const [seconds] = await this.#ask((id) => ({ kind: "lag", id, sentNs }));
    return Number(seconds);
  }

  #ask(message: (id: number) => ToReactor): Promise<Fields> {
    const id = this.#nextQuestion++;
    const answer = pending<Fields>();
    this.#questions.set(id, { fields: [], answer });
    if (this.#gone) this.#refuseQuestions();
    else this.send(message(id));
    return answer.promise;
  }

  #refuseQuestions(): void {
    for (const { answer } of this.#questions.values()) answer.reject(new ClosedError());
    this.#questions.clear();
  }

  #answered({ id, fields, isLast }: Extract<FromReactor, { kind: "answer" }>): void {
    const question = this.#questions.get(id);
    if (question === undefined) return;
    for (const field of fields) question.fields.push(field);
    if (!isLast) return;
    this.#questions.delete(id);
    question.answer.resolve(question.fields);
  }

  /**
   * Takes nothing new, and lets transfers finish for at most `drainMs`. Undefined where it did not stop in time, or has
   * failed.
   */
  async stop(drainMs: number): Promise<Stopped | undefined> {
    this.send({ kind: "stop", drainMs });
    const stopped = await within(this.#stopped.promise, drainMs + REACTOR_STOP_MS);
    this.#gone = true;
    this.#refuseQuestions();
    return stopped;
  }

  /** After stop(). False where the thread is stuck: what it has is its own until the process ends. */
  async end(limitMs: number): Promise<boolean> {
    const isOver = await this.#thread.stop(limitMs);
    if (isOver) closeFd(this.#wakeFd);
    return isOver;
  }

  /** Nobody waits any longer for what will not come. */
  settle(): void {
    for (const { resolve } of this.#sent.splice(0)) resolve(false);
    for (const request of this.#memoryRequests.values()) request.reject(new ClosedError());
    this.#memoryRequests.clear();
  }

  #onMessage(message: FromReactor): void {
    switch (message.kind) {
      case "policy":
        this.#sent.shift()?.resolve(true);
        return;
      case "memory":
        this.#memoryRequests.get(message.id)?.resolve(message.memory);
        this.#memoryRequests.delete(message.id);
        return;
      case "answer":
        this.#answered(message);
        return;
      case "stopped":
        this.#stopped.resolve(message);
        return;
      default:
        this.#listener.onMessage(message);
    }
  }
}
