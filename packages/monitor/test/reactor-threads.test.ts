// A reactor is an object with its thread: two of them in one thread know nothing of each other.

import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
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
      wakeFd: this.#wakeFd,
      counters: this.counters.buffer,
      busyPollUs: 0,
      maxGuests: 1,
      lingerMs: 100,
      trace: [],
      invariants: false,
      listenFd: -1,
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

  heard(): FromReactor[] {
    const all: FromReactor[] = [];
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return all;
      const message = received.message as FromReactor;
      if (message.kind === "lives") all.push(...message.lines);
      else all.push(message);
    }
  }
}

function greeting(fd: number): number {
  const received = receiveWithFds(fd, HELLO_BYTES, 3);
  if (typeof received === "number" || received === undefined) return 0;
  for (const each of received.fds) closeFd(each);
  return received.fds.length;
}

test("two of one thread have their own guests, places, counters and ends", () => {
  const one = new Rig();
  const other = new Rig();
  const guests = [one.attach("of one"), other.attach("of the other"), one.attach("too many")];
  one.ask({ kind: "memory", id: 7, gc: false });
  one.ask({ kind: "stop", drainMs: 0 });
  one.thread.run();
  expect(one.thread.stopped).toBe(true);
  expect(one.heard().map(({ kind }) => kind)).toEqual([
    ...["ready", "guest", "warning", "memory", "detached", "stopped"],
  ]);
  // The other has not run yet: nobody of it was greeted, none of its messages was taken, and it has not ended.
  expect(other.thread.stopped).toBe(false);
  expect(other.heard().map(({ kind }) => kind)).toEqual(["ready"]);
  expect(greeting(guests[0]!)).toBe(3);
  expect(greeting(guests[1]!)).toBe(0);
  other.ask({ kind: "stop", drainMs: 0 });
  other.thread.run();
  expect(other.heard()).toEqual([
    expect.objectContaining({ kind: "guest", guest: "of the other" }),
    { kind: "detached", guest: "of the other", reason: "the monitor stops" },
    { kind: "stopped", aborted: 0, stuck: 0 },
  ]);
  expect(greeting(guests[1]!)).toBe(3);
  expect([one.counters.read().guests, other.counters.read().guests]).toEqual([0, 0]);
});
