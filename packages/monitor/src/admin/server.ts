// The admin API's server, on the main thread: HTTP on a Unix socket that is listened on already, and over TCP where
// that is asked for. Loaded with fastify when it is needed, and not before: some 40 packages, 150 ms and 24 MB.
//
// Hostile or broken clients are bounded in number (connections.ts), in what they send (sizes, times) and in what they
// make this ask of the reactor (monitor/steering.ts: one walk at a time).

import { createServer, type RequestListener, type Server } from "node:http";
import type { ListenOptions } from "node:net";
import { SystemError } from "@ringway/linux";
import fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { AdminHttpOptions } from "../monitor/admin-options.ts";
import { BusyError } from "../monitor/busy-error.ts";
import type { FollowAsked } from "../monitor/conversation-options.ts";
import type { GuestLabels } from "../observe/labels.ts";
import { decode } from "../policy/decode.ts";
import { POLICY_FILE_BYTES_MAX } from "../policy/defaults.ts";
import { Callers, type Listener } from "./callers.ts";
import { Connections } from "./connections.ts";
import { ConversationStream } from "./conversation-stream.ts";
import { CONVERSATIONS_QUERY } from "./conversations-query.ts";
import { EventLog } from "./event-log.ts";
import { EventStream } from "./event-stream.ts";
import { EVENTS_QUERY, type EventsQuery } from "./events-query.ts";
import { failureOf } from "./failures.ts";
import { guard } from "./guard.ts";
import { keepEvents } from "./happenings.ts";
import { openApi } from "./openapi.ts";
import { type Administered, type Asked, ROUTES, type Route } from "./routes.ts";
import { schemaProblem } from "./schema-problem.ts";
import { serveMetrics } from "./scrapes.ts";
import { Shares } from "./shares.ts";
import { readToken, TokenGuard } from "./token.ts";

/** A request and its headers must come in this time; so a connection that says nothing goes after as long. */
const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
const KEEP_ALIVE_MS = 10_000;
/** Nothing moves: a client that reads no answer. One that follows events has something more often than this. */
const STUCK_MS = 30_000;
const CHECK_MS = 1000;
/** When who was told that too much is asked for may ask again. */
const RETRY_S = 1;
const HEADER_BYTES = 8192;
/** Of what is no policy. */
const BODY_BYTES = 16 * 1024;
/** That follow events: each has a connection for long. Half of them are for others than one process or address. */
const READERS_MAX = 16;
const READERS_OF_PEER_MAX = 8;
/** Being carried out, whether or not who has asked is there still. As many as there are connections. */
const REQUESTS_MAX = 128;
const REQUESTS_OF_PEER_MAX = 48;
/** Of those, policies: each is a megabyte of text at the most, and may be seconds of the loader's thread. */
const POLICIES_MAX = 8;
const POLICIES_OF_PEER_MAX = 4;

export interface AdminServerOptions {
  readonly monitor: Administered;
  readonly labels: GuestLabels;
  readonly log: Logger;
  /** Listens: the server's from now on. */
  readonly fd: number;
  readonly http: AdminHttpOptions | undefined;
}

interface Listening {
  readonly server: Server;
  readonly connections: Connections;
}

export class AdminServer {
  readonly #log: Logger;
  readonly #callers: Callers = new Callers();
  /** The Unix socket's, and that of TCP where there is one: neither takes the other's connections. */
  readonly #all: Listening[] = [];
  readonly #requests: Shares = new Shares(REQUESTS_MAX, REQUESTS_OF_PEER_MAX);
  readonly #policies: Shares = new Shares(POLICIES_MAX, POLICIES_OF_PEER_MAX);
  readonly #readers: Shares = new Shares(READERS_MAX, READERS_OF_PEER_MAX);

  private constructor(log: Logger) {
    this.#log = log;
  }

  /**
   * Resolves when it takes requests. Rejects with SystemError where there is no token, and as Node's servers do where
   * it cannot listen.
   */
  static async start({ monitor, labels, log, fd, http }: AdminServerOptions): Promise<AdminServer> {
    const made = new AdminServer(log);
    let handle: RequestListener | undefined;
    const app = fastify({
      // Nobody is told more of itself than it sent: no request ids, no log of requests.
      logger: false,
      bodyLimit: BODY_BYTES,
      exposeHeadRoutes: false,
      routerOptions: { maxParamLength: 256 },
      ajv: { customOptions: { removeAdditional: false, coerceTypes: true, allErrors: false, verbose: true } },
      schemaErrorFormatter: schemaProblem,
      serverFactory: (handler) => {
        handle = handler;
        return made.#server(handler, "unix");
      },
    });
    made.#answerFailures(app, log);
    const tcp = http && { http, tokens: new TokenGuard(await readToken(http.tokenFile)) };
    guard(app, made.#callers, tcp);
    takePolicies(app);
    for (const route of ROUTES) made.#add(app, route, monitor);
    made.#serveEvents(app, monitor, labels);
    made.#serveConversations(app, monitor);
    serveMetrics(app, monitor, labels);
    const document = openApi(ROUTES);
    app.get("/v1/openapi.json", async () => document);
    await app.ready();
    try {
      if (http !== undefined) {
        const { address: host, port } = http;
        await made.#listen(made.#server(handle!, "tcp"), { host, port, exclusive: true }).catch((error) => {
          throw new SystemError(-error.errno, "listen", `${host}:${port}`);
        });
        log.info({ address: host, port }, "the admin API is served over TCP");
      }
      // Last: where the start fails before, the descriptor is the caller's.
      await made.#listen(made.#all[0]!.server, { fd });
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }

  /** Nobody is served any more: what is under way is cut off. */
  close(): void {
    for (const { server, connections } of this.#all) {
      server.close();
      connections.closeAll();
    }
  }

  #server(handle: RequestListener, listener: Listener): Server {
    const connections = new Connections(this.#callers, listener);
    const server = createServer(serverOptions(), connections.guard(handle));
    server.setTimeout(STUCK_MS);
    connections.serve(server);
    this.#all.push({ server, connections });
    return server;
  }

  #listen(server: Server, where: ListenOptions & { readonly fd?: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(where, () => {
        server.off("error", reject);
        server.on("error", (error) =>
          this.#log.error({ err: error }, "the admin API: a connection was lost"),
        );
        // What is left of a monitor that ends is not this server.
        server.unref();
        resolve();
      });
    });
  }

  #add(app: FastifyInstance, route: Route, monitor: Administered): void {
    const { method, path: url, params, query, body, reply } = route;
    const schema = {
      ...(params && { params }),
      querystring: query ?? { type: "object", properties: {}, additionalProperties: false },
      ...(body !== undefined && body !== "policy" && { body }),
      response: { 200: reply },
    };
    const isPolicy = body === "policy";
    // Whoever wants the monitor to end may have that, whatever the audit file does, and whoever asks for how much.
    const isDrain = route.name === "drain";
    const isAudited = method !== "GET" && !isDrain;
    const bodyLimit = isPolicy ? POLICY_FILE_BYTES_MAX : BODY_BYTES;
    const handler = async (request: FastifyRequest): Promise<unknown> => {
      if (isPolicy !== (typeof request.body === "string") && body !== undefined) throw new WrongTypeError();
      if (isAudited) monitor.steering.requireAudited();
      const asked = this.#asked(request) as Asked<never, never, never>;
      if (isDrain) return await route.run(monitor, asked);
      const run = (): Promise<unknown> =>
        this.#share(this.#requests, request, () => route.run(monitor, asked));
      return await (isPolicy ? this.#share(this.#policies, request, run) : run());
    };
    // No body is one that says nothing: of what must be said, the schema tells.
    const preValidation = async (request: FastifyRequest): Promise<void> => {
      if (schema.body !== undefined) request.body ??= {};
    };
    app.route({ method, url, schema, bodyLimit, preValidation, handler });
  }

  #serveEvents(app: FastifyInstance, monitor: Administered, labels: GuestLabels): void {
    const events = new EventLog();
    keepEvents(monitor, labels, events);
    app.get("/v1/events", { schema: { querystring: EVENTS_QUERY } }, async (request, reply) => {
      const peer = this.#callers.peerOf(request.socket);
      if (!this.#readers.take(peer)) throw new TooManyReadersError();
      reply.raw.once("close", () => this.#readers.give(peer));
      const { kinds, after = request.headers["last-event-id"], follow = true } = request.query as EventsQuery;
      reply.hijack();
      const asked = {
        after: String(after ?? "") || undefined,
        kinds: kinds ? new Set(kinds.split(",")) : undefined,
        follow,
      };
      new EventStream(events, reply.raw, asked);
    });
  }

  #serveConversations(app: FastifyInstance, { steering }: Administered): void {
    app.get("/v1/conversations", { schema: { querystring: CONVERSATIONS_QUERY } }, async (request, reply) => {
      // That somebody follows is a line of the audit.
      steering.requireAudited();
      const follow = steering.follow(request.query as FollowAsked, this.#callers.of(request.socket)!.by);
      reply.hijack();
      new ConversationStream(follow, reply.raw);
    });
  }

  async #share<T>(shares: Shares, { socket }: FastifyRequest, run: () => Promise<T>): Promise<T> {
    const peer = this.#callers.peerOf(socket);
    if (!shares.take(peer)) throw new BusyError("more is asked for at once than is done: ask again");
    try {
      return await run();
    } finally {
      shares.give(peer);
    }
  }

  #asked({ params, query, body, socket }: FastifyRequest): Asked<unknown, unknown, unknown> {
    return { params, query, body, by: this.#callers.of(socket)!.by };
  }

  #answerFailures(app: FastifyInstance, log: Logger): void {
    app.setErrorHandler((error, _, reply) => {
      const { status, problem, isOurs } = failureOf(error);
      if (isOurs) log.error({ err: error }, "internal error in the admin API");
      if (problem.code === "ERR_RINGWAY_BUSY") reply.header("retry-after", String(RETRY_S));
      return reply.code(status).send(problem);
    });
    app.setNotFoundHandler((_, reply) => {
      const error = "there is no such path: /v1/openapi.json has all that there are";
      return reply.code(404).send({ error, code: "ERR_RINGWAY_NOT_THERE" });
    });
  }
}

class TooManyReadersError extends Error {
  readonly code: "ERR_RINGWAY_ADMIN" = "ERR_RINGWAY_ADMIN";
  readonly statusCode = 429;

  constructor() {
    super(
      `${READERS_MAX} follow the events at the most, and ${READERS_OF_PEER_MAX} of one process or address`,
    );
  }
}

/** The body of a request is of another type than what is asked for takes. */
class WrongTypeError extends Error {
  readonly code: "ERR_RINGWAY_ADMIN" = "ERR_RINGWAY_ADMIN";
  readonly statusCode = 415;

  constructor() {
    super("expected application/yaml for a policy, and application/json for all else");
  }
}

/** A policy is text; what is no UTF-8 is none. */
function takePolicies(app: FastifyInstance): void {
  const types = ["application/yaml", "text/yaml", "text/plain"];
  app.addContentTypeParser(types, { parseAs: "buffer" }, async (_: unknown, body: Buffer) => {
    return decode(body, "policy");
  });
}

function serverOptions() {
  return {
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: CHECK_MS,
  };
}
