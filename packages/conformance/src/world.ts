// What a case works with: the testee, a host on a region of its own, and checks that name their clauses.

import { type Command, type Reply, type Testee, TesteeBroken } from "./contract.ts";
import { Host } from "./host/host.ts";
import { PAGE, Sb } from "./host/layout.ts";
import type { HostFrame, HostPipe } from "./host/pipe.ts";
import { Region, type Snapshot } from "./host/region.ts";

/** One thing to check, on a region of its own. */
export interface Case {
  readonly name: string;
  /** Each is checked at least once where the case runs to its end. */
  readonly clauses: readonly string[];
  /** Of the region; default 512. */
  readonly pages?: number;
  run(world: World): Promise<void>;
}

export type Outcome = "passed" | "failed" | "unsupported";

export interface Check {
  readonly clause: string;
  readonly case: string;
  readonly outcome: Outcome;
  readonly why?: string;
}

/** The testee lacks what this case needs. */
export class Unsupported extends Error {
  override readonly name: string = "Unsupported";
}

/** A case cannot go on; the check that says so was noted. */
export class Stopped extends Error {
  override readonly name: string = "Stopped";
}

/** A stream as a case wants it: an echo in two rings of 4096 bytes, where it does not say. */
export interface StreamOptions {
  readonly id?: number;
  readonly generation?: number;
  readonly protocol?: number;
  /** Of Open, in hex. */
  readonly body?: string;
  readonly toHost?: number;
  readonly toGuest?: number;
}

const DEFAULT_PAGES = 512;

export class World implements Disposable {
  readonly testee: Testee;
  readonly region: Region;
  readonly host: Host;
  readonly checks: Check[] = [];
  readonly #case: Case;

  constructor(testee: Testee, folder: string, name: string, each: Case) {
    this.testee = testee;
    this.#case = each;
    this.region = new Region(folder, name, each.pages ?? DEFAULT_PAGES);
    this.host = new Host(this.region);
  }

  [Symbol.dispose](): void {
    this.region[Symbol.dispose]();
  }

  // ── Checks ────────────────────────────────────────────────────────────────────────────────────────────────────────

  check(clause: string, holds: boolean, what: string): boolean {
    if (!this.#case.clauses.includes(clause)) throw new Error(`${this.#case.name} does not list ${clause}`);
    this.checks.push({
      clause,
      case: this.#case.name,
      outcome: holds ? "passed" : "failed",
      ...(holds ? {} : { why: what }),
    });
    return holds;
  }

  same(clause: string, actual: unknown, expected: unknown, what: string): boolean {
    const found = JSON.stringify(actual);
    const wanted = JSON.stringify(expected);
    return this.check(clause, found === wanted, `${what}: expected ${wanted}, found ${found}`);
  }

  /** Nobody has written there since. A failure tells the first word that is another. */
  unchanged(clause: string, before: Snapshot, what: string): boolean {
    const change = this.region.changeSince(before);
    return this.check(clause, change === undefined, `${what}: ${change}`);
  }

  /** same(), without which nothing that follows makes sense. */
  must(clause: string, actual: unknown, expected: unknown, what: string): void {
    if (!this.same(clause, actual, expected, what)) throw new Stopped(what);
  }

  // ── The testee ────────────────────────────────────────────────────────────────────────────────────────────────────

  async ask(command: Command): Promise<Reply> {
    const names = command.do === "attach" && command.path !== undefined;
    const reply = await this.testee.ask(command, names ? this.region.memory : undefined);
    if (reply.unsupported) throw new Unsupported(`${command.do} is unsupported`);
    return reply;
  }

  /** The guest takes this region. */
  take(): Promise<Reply> {
    return this.ask({ do: "attach", path: this.region.path, bytes: this.region.bytes.length });
  }

  /** A command on a stream. */
  on(stream: string, what: "opened" | "frame" | "end" | "stop" | "close" | "reset"): Promise<Reply> {
    return this.ask({ do: what, stream });
  }

  send(stream: string, bytes: Uint8Array): Promise<Reply> {
    return this.ask({ do: "send", stream, data: Buffer.from(bytes).toString("hex") });
  }

  recv(stream: string, max = 65536): Promise<Reply> {
    return this.ask({ do: "recv", stream, max });
  }

  poll(): Promise<Reply> {
    return this.ask({ do: "poll" });
  }

  /** Streams that a poll finds pending. */
  async pending(): Promise<readonly string[]> {
    const { status, pending } = await this.poll();
    if (status === "attached" && pending === undefined)
      throw new Unsupported("poll does not say what is pending");
    return pending ?? [];
  }

  // ── What most cases begin with; where it fails, the case is stopped ───────────────────────────────────────────────

  async attached(): Promise<void> {
    this.host.start();
    this.#expect(await this.take(), "ok", "attach");
    this.host.answer();
    this.#expect(await this.poll(), "attached", "poll after the host answered");
    this.host.takeSignals();
  }

  /** Asks for a stream; the frame by which the guest did. */
  async asked(stream: string, options: StreamOptions = {}): Promise<HostFrame> {
    const { protocol = 1, body = "", toHost = 4096, toGuest = 4096 } = options;
    this.#expect(await this.ask({ do: "open", stream, protocol, body, toHost, toGuest }), "ok", "open");
    const frame = this.host.control.takeFrame();
    if (frame?.type !== 0x0101) throw new TesteeBroken("open sent no NewStream");
    return frame;
  }

  /** A stream that waits for the host's answer to its Open, which is `open`. */
  async opening(stream: string, options: StreamOptions = {}): Promise<{ pipe: HostPipe; open: HostFrame }> {
    const { id = 1, generation = 1, toHost = 4096, toGuest = 4096, protocol = 1, body = "" } = options;
    const asked = await this.asked(stream, { protocol, body, toHost, toGuest });
    const pipe = this.host.block(id, toHost, toGuest, generation);
    this.host.give(asked.request, pipe);
    this.#expect(await this.poll(), "attached", "poll after StreamInfo");
    const open = pipe.takeFrame();
    if (open === undefined) throw new TesteeBroken("no Open came after StreamInfo");
    return { pipe, open };
  }

  /** A stream in state RUNNING. */
  async running(stream: string, options: StreamOptions = {}): Promise<HostPipe> {
    const { pipe, open } = await this.opening(stream, options);
    pipe.message("Opened", open.request, { body: "" });
    this.#expect(await this.poll(), "attached", "poll after Opened");
    this.#expect(await this.on(stream, "opened"), "ok", "opened");
    this.host.takeSignals();
    return pipe;
  }

  /** A stream in state RUNNING both of whose positions stand at `position`. */
  async runningAt(stream: string, position: number, options: StreamOptions = {}): Promise<HostPipe> {
    const pipe = await this.running(stream, options);
    for (const at of [0x000, 0x080, 0x100, 0x180]) pipe.set(at, position);
    pipe.read = pipe.written = position >>> 0;
    this.#expect(await this.ask({ do: "position", stream, position }), "ok", "position");
    return pipe;
  }

  /** For what a minor version has added: a guest that is attached and says that it is of an older one lacks it. */
  needsMinor(minor: number): void {
    if (this.region.get(Sb.GUEST_MINOR) < minor) throw new Unsupported(`the guest is older than 1.${minor}`);
  }

  /** Everything but the superblock. */
  beyondSuperblock(): Snapshot {
    return this.region.snapshot(PAGE);
  }

  #expect(reply: Reply, status: string, what: string): void {
    if (reply.status === status) return;
    throw new TesteeBroken(`${what}: expected "${status}", found ${JSON.stringify(reply)}`);
  }
}
