// A reactor is an object with its thread: two of them in one thread know nothing of each other.

import { once } from "node:events";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { HELLO_BYTES } from "@ringway/control";
import { closeFd, createEventfd, receiveWithFds, ringEventfd, unixPair } from "@ringway/linux";
import { afterEach, expect, test } from "vitest";
import { guestDescriptors, setGuestDescriptors } from "../src/accounts/descriptors.ts";
import { compilePolicy } from "../src/policy/compiled/compile.ts";
import { parsePolicy } from "../src/policy/index.ts";
import { Counters } from "../src/reactor/counters.ts";
import type { FromReactor, ReactorOptions, ToReactor } from "../src/thread/messages.ts";
import { ReactorThread } from "../src/thread/reactor-thread.ts";

const policy = parsePolicy("version: 1", { file: "/etc/ringway/policy.yaml" });
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

function eventfd(): number {
  const fd = createEventfd();
  opened.push(() => closeFd(fd));
  return fd;
}

function channel(): [MessagePort, MessagePort] {
  const { port1, port2 } = new MessageChannel();
  opened.push(() => port1.close());
  return [port1, port2];
}

/** Listens on the main thread's port, and posts what it has heard at the end. */
const STOPS_IT = `
  const { parentPort, workerData: { port, wakeFd } } = require("node:worker_threads");
  const heard = [];
  port.on("message", (message) => {
    const lines = message.kind === "lives" ? message.lines : [message];
    heard.push(...lines);
    if (lines.some(({ kind }) => kind === "stopped")) parentPort.postMessage(heard);
    if (!lines.some(({ kind }) => kind === "guest")) return;
    port.postMessage({ kind: "stop", drainMs: 0 });
    require("node:fs").writeSync(wakeFd, new BigUint64Array([1n]));
  });`;

/** A reactor without disk and regions' threads, the main thread's end of it, and what it has said. */
class Rig {
  readonly counters: Counters = new Counters();
  readonly thread: ReactorThread;
  readonly #port: MessagePort;
  readonly #wakeFd: number = eventfd();

  constructor() {
    const [port, its] = channel();
    this.#port = port;
    const descriptors = guestDescriptors();
    setGuestDescriptors(descriptors, policy, 0);
    const options: ReactorOptions = {
      policy: { compiled: compilePolicy(policy), roots: { roots: [], sockets: [], nodeSystems: [] } },
      disk: { ports: [], wakeFd: eventfd() },
      regions: { port: channel()[1], wakeFd: eventfd() },
      descriptors,
      attachSocket: undefined,
      ownPorts: [],
      publications: [],
      wakeFd: this.#wakeFd,
      counters: this.counters.buffer,
      busyPollUs: 0,
      maxGuests: 1,
      lingerMs: 100,
      trace: [],
      invariants: false,
      listenFd: -1,
      tenants: [],
      hasAuditFile: false,
      adminSocket: undefined,
      showsFlows: false,
      hasFlowRecords: false,
    };
    this.thread = new ReactorThread(options, its, () => {});
  }

  ask(message: ToReactor): void {
    this.#port.postMessage(message);
    ringEventfd(this.#wakeFd);
  }

  /** A guest that the program makes room for: its end of the socket. */
  attach(name: string): number {
    const [fd, guest] = unixPair();
    opened.push(() => closeFd(guest));
    this.ask({ kind: "attach", fd, name, key: "uid:1", policy: undefined });
    return guest;
  }

  /**
   * Runs until it has stopped, which it is asked for as soon as it serves a guest: by a thread, since this one is busy.
   * What it has said.
   */
  async runUntilServed(): Promise<FromReactor[]> {
    const workerData = { port: this.#port, wakeFd: this.#wakeFd };
    const worker = new Worker(STOPS_IT, { eval: true, workerData, transferList: [this.#port] });
    await once(worker, "online");
    const heard = once(worker, "message");
    this.thread.run();
    const [said] = (await heard) as [FromReactor[]];
    await worker.terminate();
    return said;
  }
}

function greeting(fd: number): number {
  const received = receiveWithFds(fd, HELLO_BYTES, 3);
  if (typeof received === "number" || received === undefined) return 0;
  for (const each of received.fds) closeFd(each);
  return received.fds.length;
}

test("two of one thread have their own guests, places, counters and ends", async () => {
  const one = new Rig();
  const other = new Rig();
  const guests = [one.attach("of one"), other.attach("of the other"), one.attach("too many")];
  one.ask({ kind: "memory", id: 7, gc: false });
  const ofOne = await one.runUntilServed();
  expect(one.thread.stopped).toBe(true);
  expect(ofOne.map(({ kind }) => kind)).toEqual([
    ...["ready", "warning", "memory", "guest", "detached", "stopped"],
  ]);
  // The other has not run yet: nobody of it was greeted, and it has not ended.
  expect(other.thread.stopped).toBe(false);
  expect(greeting(guests[0]!)).toBe(3);
  expect(greeting(guests[1]!)).toBe(0);
  expect(await other.runUntilServed()).toEqual([
    expect.objectContaining({ kind: "ready" }),
    expect.objectContaining({ kind: "guest", guest: "of the other" }),
    { kind: "detached", guest: "of the other", reason: "the monitor stops" },
    { kind: "stopped", aborted: 0, stuck: 0 },
  ]);
  expect(greeting(guests[1]!)).toBe(3);
  expect([one.counters.read().guests, other.counters.read().guests]).toEqual([0, 0]);
});
