// A client of the admin API, for programs and for the command: no dependency, and the types of the server itself.

import { Agent, type IncomingMessage, type RequestOptions, request } from "node:http";
import { invalidValue, requireObject, requireText } from "@ringway/linux";
import type { FollowAsked } from "../monitor/conversation-options.ts";
import type { GuestRates, StreamRates } from "../monitor/guest-rates.ts";
import type { PolicyChange } from "../monitor/policy-history.ts";
import type { PublishOptions } from "../monitor/publish-options.ts";
import type { Published, PublishStatus } from "../monitor/publishes.ts";
import type {
  GuestStatus,
  Page,
  PageOptions,
  StreamStatus,
  StreamsOptions,
  TenantStatus,
} from "../monitor/status.ts";
import type { PolicyPut, PolicyStatus, PutPolicyOptions } from "../monitor/steering.ts";
import type { PolicyProblem } from "../policy/errors.ts";
import type { CounterValues } from "../reactor/counters.ts";
import { type FollowedEvent, followedIn } from "./conversation-reader.ts";
import { type AdminEvent, eventsIn } from "./event-reader.ts";
import type { EventKind } from "./happenings.ts";
import type { NewVm, PolicyChanges, Problem, PublishList, TenantList } from "./shapes.ts";

/** Where the monitor's admin API is: its socket, or an address of TCP. */
export type AdminClientOptions = (
  | {
      /** Path of the monitor's admin socket. */
      readonly socket: string;
    }
  | {
      /** "http://127.0.0.1:9000" */
      readonly url: string;
      /** The text of the token's file. */
      readonly token: string;
    }
) & {
  /** A monitor that says nothing for so long is given up, with ETIMEDOUT; of events it says something each 10 s. */
  readonly timeoutMs?: number;
};

export interface EventsOptions {
  /** Only these. */
  readonly kinds?: readonly EventKind[];
  /** Id of an event: what came behind it, as far as it is kept. */
  readonly after?: string;
  /** false: what is kept behind `after`, and then the end. Default: true. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** What the API answered with a failure. */
export class AdminError extends Error {
  override readonly name: string = "AdminError";
  /** Of HTTP: 404 where what was asked for is not there. */
  readonly status: number;
  readonly code: string;
  /** Of a policy, all of them. */
  readonly problems: readonly PolicyProblem[];

  constructor(status: number, { error, code, problems = [] }: Problem) {
    super(error);
    this.status = status;
    this.code = code;
    this.problems = problems;
  }
}

/** A page of a thousand streams has half a megabyte. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024;

const STALE: readonly string[] = ["ECONNRESET", "EPIPE"];

interface Body {
  readonly type: string;
  readonly text: string;
}

interface How {
  readonly agent: Agent;
  readonly sending?: Body | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** Errors of the connection are Node's, with their codes: ENOENT, ECONNREFUSED, EACCES. */
export class AdminClient implements Disposable {
  readonly #where: RequestOptions;
  readonly #authorization: { readonly authorization?: string };
  readonly #timeout: { readonly timeout?: number };
  readonly #agent: Agent = new Agent({ keepAlive: true, maxSockets: 16 });
  /** Of events and conversations: each has a connection for as long as it is followed, which no call waits for. */
  readonly #following: Agent = new Agent();
  #isClosed = false;

  constructor(options: AdminClientOptions) {
    requireObject(options, "options", "an object { socket }, or { url, token }");
    const { timeoutMs } = options;
    if (timeoutMs !== undefined) requireTimeout(timeoutMs);
    this.#timeout = timeoutMs === undefined ? {} : { timeout: timeoutMs };
    if ("socket" in options) {
      requireText(options.socket, "options.socket");
      this.#where = { socketPath: options.socket };
      this.#authorization = {};
      return;
    }
    requireText(options.url, "options.url");
    requireText(options.token, "options.token");
    const { protocol, hostname, port } = new URL(options.url);
    if (protocol !== "http:") throw invalidValue("options.url", options.url, "must begin with http://");
    this.#where = { host: hostname.replace(/^\[(.*)\]$/, "$1"), port: port === "" ? 80 : Number(port) };
    this.#authorization = { authorization: `Bearer ${options.token.trim()}` };
  }

  guests(options: PageOptions = {}): Promise<Page<GuestStatus>> {
    return this.#get("/v1/guests", { ...options });
  }

  /** By its id or its name. */
  guest(guest: string): Promise<GuestStatus> {
    return this.#get(`/v1/guests/${encodeURIComponent(guest)}`);
  }

  /** Those that have a name of the host's, whether or not anybody is there. */
  async tenants(): Promise<readonly TenantStatus[]> {
    return (await this.#get<TenantList>("/v1/tenants")).items;
  }

  /** `guest`: its id or its name. */
  streams(options: StreamsOptions = {}): Promise<Page<StreamStatus>> {
    return this.#get("/v1/streams", { ...options });
  }

  counters(): Promise<CounterValues> {
    return this.#get("/v1/counters");
  }

  /** All metrics, as Prometheus' text. */
  metrics(): Promise<string> {
    return this.#text("GET", "/metrics");
  }

  /** In force for guests that have none of their own, or for those of one name. */
  policy(guest?: string): Promise<PolicyStatus> {
    return this.#get("/v1/policy", { guest });
  }

  /** The newest first. */
  async policyHistory(): Promise<readonly PolicyChange[]> {
    return (await this.#get<PolicyChanges>("/v1/policy/history")).items;
  }

  /**
   * Puts a policy's text in force. Rejects with AdminError: where it is bad, its `problems` have all that is wrong.
   */
  putPolicy(text: string, options: PutPolicyOptions = {}): Promise<PolicyPut> {
    return this.#send("PUT", "/v1/policy", { ...options }, { type: "application/yaml", text });
  }

  /** Ends a stream, by its id. */
  async resetStream(id: string): Promise<void> {
    await this.#send("DELETE", `/v1/streams/${encodeURIComponent(id)}`);
  }

  /** Ends a guest, by its id or its name. */
  async closeGuest(guest: string): Promise<void> {
    await this.#send("DELETE", `/v1/guests/${encodeURIComponent(guest)}`);
  }

  /** While it is there, in place of those of its policy; {}: those again. */
  async setRates(guest: string, rates: GuestRates): Promise<void> {
    await this.#send("PUT", `/v1/guests/${encodeURIComponent(guest)}/rates`, {}, json(rates));
  }

  /** For one stream, by its id, while it is open, beside those of its guest; {}: those alone. */
  async setStreamRates(id: string, rates: StreamRates): Promise<void> {
    await this.#send("PUT", `/v1/streams/${encodeURIComponent(id)}/rates`, {}, json(rates));
  }

  /** Serves another virtual machine; paths are the monitor's. */
  async addVm(vm: NewVm): Promise<void> {
    await this.#send("POST", "/v1/vms", {}, json(vm));
  }

  /** Serves it no more: resolves when its memory and its doorbell are free. */
  async removeVm(name: string): Promise<void> {
    await this.#send("DELETE", `/v1/vms/${encodeURIComponent(name)}`);
  }

  /** The oldest first. */
  async publishes(): Promise<readonly PublishStatus[]> {
    return (await this.#get<PublishList>("/v1/publishes")).items;
  }

  /** Leads a port of the host to a port of the guests of one name, until unpublish(), whether one is there or not. */
  publish(options: PublishOptions): Promise<Published> {
    return this.#send("POST", "/v1/publishes", {}, json(options));
  }

  /** "127.0.0.1:8080". Connections that are open stay open. */
  async unpublish(place: string): Promise<void> {
    await this.#send("DELETE", `/v1/publishes/${encodeURIComponent(place)}`);
  }

  /** Ends the monitor, as a signal does. */
  async drain(options: { readonly drainMs?: number } = {}): Promise<void> {
    await this.#send("POST", "/v1/drain", {}, json(options));
  }

  /**
   * What happens, from now on or behind the event `after`, until the signal, the end of the loop, or the monitor's end.
   * A reader that is slow misses some, and is told how many by an event `gap`. Rejects as all others do.
   */
  async *events(options: EventsOptions = {}): AsyncGenerator<AdminEvent> {
    const { kinds, after, follow, signal } = options;
    const search = new URLSearchParams();
    if (kinds !== undefined) search.set("kinds", kinds.join(","));
    if (after !== undefined) search.set("after", after);
    if (follow !== undefined) search.set("follow", String(follow));
    const response = await this.#request("GET", `/v1/events?${search}`, { agent: this.#following, signal });
    if (response.statusCode !== 200) {
      const status = response.statusCode ?? 0;
      throw new AdminError(status, problemIn(await textOf(response), status));
    }
    try {
      yield* eventsIn(response.setEncoding("utf8"));
    } finally {
      response.destroy();
    }
  }

  /**
   * What guests and their peers say to each other, from now on, until the signal, the end of the loop, or the monitor's
   * end. What a reader that is slow has no room for is lost to it and counted, or streams wait, as it has asked.
   * Rejects as all others do.
   */
  async *conversations(
    options: FollowAsked & { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<FollowedEvent> {
    const { signal, ...asked } = options;
    const search = new URLSearchParams(asked as Record<string, string>);
    const how = { agent: this.#following, signal };
    const response = await this.#request("GET", `/v1/conversations?${search}`, how);
    if (response.statusCode !== 200) {
      const status = response.statusCode ?? 0;
      throw new AdminError(status, problemIn(await textOf(response), status));
    }
    try {
      yield* followedIn(response);
    } finally {
      response.destroy();
    }
  }

  /** Nothing is kept open. What is under way is cut off. */
  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
    this.#following.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#send("GET", path, query);
  }

  async #send<T>(method: string, path: string, query: Query = {}, sending?: Body): Promise<T> {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
    const target = search.size === 0 ? path : `${path}?${search}`;
    return JSON.parse(await this.#text(method, target, sending)) as T;
  }

  async #text(method: string, target: string, sending?: Body): Promise<string> {
    const response = await this.#request(method, target, { agent: this.#agent, sending });
    const body = await textOf(response);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw new AdminError(status, problemIn(body, status));
    return body;
  }

  #request(method: string, path: string, how: How): Promise<IncomingMessage> {
    const { agent, sending, signal } = how;
    return new Promise((resolve, reject) => {
      const sent = request({
        ...this.#where,
        ...this.#timeout,
        agent,
        method,
        path,
        headers: {
          accept: "application/json",
          ...this.#authorization,
          ...(sending && { "content-type": sending.type }),
        },
        ...(signal && { signal }),
      });
      let answer: IncomingMessage | undefined;
      sent.on("response", (response: IncomingMessage) => {
        answer = response;
        resolve(response);
      });
      sent.on("timeout", () => (answer ?? sent).destroy(silent()));
      sent.on("error", (error: NodeJS.ErrnoException) => {
        // The monitor has closed a connection that was idle, just when it was used again: nothing was done.
        const isStale = sent.reusedSocket && STALE.includes(error.code ?? "") && method === "GET";
        if (isStale && !this.#isClosed) resolve(this.#request(method, path, how));
        else reject(error);
      });
      sent.end(sending?.text);
    });
  }
}

function requireTimeout(timeoutMs: unknown): void {
  if (Number.isSafeInteger(timeoutMs) && (timeoutMs as number) > 0) return;
  throw invalidValue("options.timeoutMs", timeoutMs, "must be a whole number of milliseconds above 0");
}

function silent(): Error {
  return Object.assign(new Error("the monitor does not answer"), { code: "ETIMEDOUT" as const });
}

function json(value: unknown): Body {
  return { type: "application/json", text: JSON.stringify(value) };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > REPLY_BYTES_MAX) {
      response.destroy();
      throw new AdminError(0, { error: "the reply is too long", code: "ERR_RINGWAY_ADMIN" });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** What answers may be no monitor. */
function problemIn(body: string, status: number): Problem {
  try {
    const problem = JSON.parse(body) as Problem;
    if (typeof problem.error === "string" && typeof problem.code === "string") return problem;
  } catch {
    // Said below.
  }
  return { error: `answered with status ${status}, and no reason`, code: "ERR_RINGWAY_ADMIN" };
}
