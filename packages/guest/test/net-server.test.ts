// Every call of net.Server on a server of Node's and on one of the guest's, through a real monitor, for the same
// clients: results, errors and events are the same.

import { once } from "node:events";
import * as net from "node:net";
import { Guest } from "@ringway/guest";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { type Host, startHost } from "./host.ts";
import { type Api, guestApi, type Loose, nodeApi, outcome, told, trace } from "./net-api.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;
const HOST = "127.0.0.1";

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await Guest.attach(host.path));
});

type Row = [name: string, run: (api: Api) => unknown];

function same(rows: Row[]): void {
  it.each(rows)("%s", async (_name, run) => {
    expect(await run(guestApi(guest))).toEqual(await run(nodeApi));
  });
}

const f = (): void => {};
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

async function listening(api: Api, ...args: unknown[]): Promise<Loose> {
  const server = api.server(...args).listen(0, HOST);
  await once(server, "listening");
  return server;
}

const close = (server: Loose): Promise<unknown> =>
  new Promise((resolve) => server.close((error: unknown) => resolve(told(error))));

async function client(server: Loose): Promise<net.Socket> {
  const socket = net.connect(server.address().port, HOST).on("error", f);
  await once(socket, "connect");
  return socket;
}

function shown(args: unknown[]): string {
  return args
    .map((arg) => (typeof arg === "function" ? "function" : (JSON.stringify(arg) ?? String(arg))))
    .join(", ");
}

describe("arguments", () => {
  const wrong: unknown[][] = [
    [{}],
    [{ port: "x" }],
    [{ port: -1 }],
    [{ port: 70_000 }],
    [{ port: 1.5 }],
    [{ port: Number.NaN }],
    [{ port: "" }],
    [{ port: true }],
    [-1],
    [70_000],
    [true],
    [Number.NaN],
    [{ port: 0, host: HOST, signal: 5 }],
  ];
  same(
    wrong.map(
      (args): Row => [
        `listen(${shown(args)})`,
        async (api) => {
          const server = api.server();
          const result = outcome(() => server.listen(...args));
          // A call that failed leaves the server as it was.
          server.listen(0, HOST);
          await once(server, "listening");
          return [result, await close(server)];
        },
      ],
    ),
  );
  const right: unknown[][] = [
    [],
    [f],
    [0],
    ["0"],
    [null],
    [undefined],
    [0, f],
    [0, HOST],
    [0, HOST, f],
    [0, HOST, 5],
    [0, HOST, 5, f],
    [0, 5],
    [0, 5, f],
    [{ port: 0 }],
    [{ port: "0", host: HOST }],
    [{ port: undefined }],
    [{ port: null }],
    [{ port: 0, host: HOST, backlog: 3 }, f],
  ];
  same(
    right.map(
      (args): Row => [
        `listen(${shown(args)})`,
        async (api) => {
          const server = api.server();
          expect(server.listen(...args)).toBe(server);
          await once(server, "listening");
          const { port, ...rest } = server.address();
          const result = [
            typeof port,
            port > 0,
            Object.keys(rest),
            server.listening,
            server.listenerCount("listening"),
          ];
          await close(server);
          return result;
        },
      ],
    ),
  );
  same(
    [
      [],
      [{}],
      [null],
      [f],
      [{}, f],
      [undefined, f],
      [5],
      ["x"],
      [{ keepAliveInitialDelay: "x" }],
      [{ highWaterMark: "x" }],
    ].map(
      (args): Row => [
        `createServer(${shown(args)})`,
        (api) =>
          outcome(() => {
            const { allowHalfOpen, pauseOnConnect, noDelay, keepAlive, keepAliveInitialDelay, ...server } =
              api.server(...args);
            return [
              allowHalfOpen,
              pauseOnConnect,
              noDelay,
              keepAlive,
              keepAliveInitialDelay,
              server._events?.connection === f,
            ];
          }),
      ],
    ),
  );
});

describe("life", () => {
  same([
    [
      "from new to closed",
      async (api) => {
        const server = api.server();
        const seen = trace(server);
        const states = [[server.listening, server.address()]];
        server.listen(0, HOST);
        await once(server, "listening");
        states.push([server.listening, server.address().family]);
        expect(server.ref().unref().ref()).toBe(server);
        const error = await close(server);
        states.push([server.listening, server.address()]);
        return { seen, states, error };
      },
    ],
    [
      "listens twice",
      async (api) => {
        const server = await listening(api);
        const result = outcome(() => server.listen(0, HOST));
        await close(server);
        return result;
      },
    ],
    [
      "listens again after it was closed",
      async (api) => {
        const server = api.server((socket: Loose) => socket.end("hello"));
        const texts: string[] = [];
        for (let i = 0; i < 3; i++) {
          server.listen(0, HOST);
          await once(server, "listening");
          const [chunk] = await once(await client(server), "data");
          texts.push(String(chunk));
          await close(server);
        }
        return texts;
      },
    ],
    [
      "is closed though it does not listen",
      async (api) => {
        const server = api.server();
        const seen = trace(server);
        const error = await close(server);
        await server[Symbol.asyncDispose]();
        return { error, seen };
      },
    ],
    [
      "is closed twice: the second call is told so",
      async (api) => {
        const server = await listening(api);
        const first = close(server);
        const second = close(server);
        return [await first, await second];
      },
    ],
    [
      "is closed while a connection is open",
      async (api) => {
        const server = await listening(api);
        const connection = once(server, "connection");
        const socket = await client(server);
        const [inner] = await connection;
        let over = false;
        const closed = close(server).then(() => (over = true));
        await turn();
        const before = [over, server.listening];
        socket.end();
        inner.resume();
        await closed;
        return before;
      },
    ],
    [
      "is closed by its signal",
      async (api) => {
        const results: unknown[] = [];
        for (const early of [true, false]) {
          const abort = new AbortController();
          if (early) abort.abort();
          const server = api.server();
          const seen = trace(server, ["close", "error"]);
          server.listen({ port: 0, host: HOST, signal: abort.signal });
          if (!early) await once(server, "listening");
          const closed = once(server, "close");
          abort.abort();
          await closed;
          results.push(seen);
        }
        return results;
      },
    ],
    [
      "is let go of by await using",
      async (api) => {
        const server = await listening(api);
        await server[Symbol.asyncDispose]();
        return [server.listening, server.address()];
      },
    ],
    [
      "cannot have a port that is taken",
      async (api) => {
        const taken = net.createServer().listen(0, HOST);
        await once(taken, "listening");
        const { port } = taken.address() as net.AddressInfo;
        const server = api.server();
        const seen = trace(server);
        server.listen(port, HOST);
        const [error] = (await once(server, "error").catch((error) => [error])) as [Loose];
        await turn();
        const result = [
          error.code,
          error.errno,
          error.syscall,
          error.address,
          error.port === port,
          seen,
          server.listening,
        ];
        taken.close();
        server.listen(0, HOST);
        await once(server, "listening");
        await close(server);
        return result;
      },
    ],
  ]);
});

describe("connections", () => {
  const count = (server: Loose): Promise<number> =>
    new Promise((resolve) => server.getConnections((_error: unknown, number: number) => resolve(number)));
  same([
    [
      "say who they are",
      async (api) => {
        const server = await listening(api);
        const connection = once(server, "connection");
        const socket = await client(server);
        const [inner] = await connection;
        const result = [
          inner.remoteAddress,
          inner.remotePort === socket.localPort,
          inner.remoteFamily,
          inner.localAddress,
          inner.localPort === server.address().port,
          inner.address().family,
          inner.readyState,
          inner.connecting,
          inner.pending,
          inner.server === server,
          inner.allowHalfOpen,
          await count(server),
        ];
        socket.end();
        inner.resume();
        await once(inner, "close");
        result.push(await count(server));
        await close(server);
        return result;
      },
    ],
    [
      "emit what they do, in order",
      async (api) => {
        const server = await listening(api);
        const seen: string[][] = [];
        server.on("connection", (socket: Loose) => {
          seen.push(trace(socket));
          socket.resume();
        });
        const connection = once(server, "connection");
        (await client(server)).end("x");
        const [inner] = await connection;
        await once(inner, "close");
        await close(server);
        return seen;
      },
    ],
    [
      "half open, where the server says so",
      async (api) => {
        const server = await listening(api, { allowHalfOpen: true });
        const connection = once(server, "connection");
        const socket = await client(server);
        socket.end("question");
        const [inner] = await connection;
        inner.resume();
        await once(inner, "end");
        const half = [inner.writable, inner.readyState];
        inner.end("answer");
        const [chunk] = await once(socket, "data");
        await close(server);
        return [half, String(chunk)];
      },
    ],
    [
      "paused, where the server says so",
      async (api) => {
        const server = await listening(api, { pauseOnConnect: true });
        const connection = once(server, "connection");
        const socket = await client(server);
        socket.end("text");
        const [inner] = await connection;
        let text = "";
        inner.on("data", (chunk: Buffer) => {
          text += chunk;
        });
        await turn();
        const before = [text, inner.isPaused()];
        inner.resume();
        await once(inner, "close");
        await close(server);
        return [before, text];
      },
    ],
    [
      "beyond maxConnections are dropped, and told",
      async (api) => {
        const server = await listening(api);
        server.maxConnections = 1;
        const first = once(server, "connection");
        const socket = await client(server);
        const [inner] = await first;
        const drop = once(server, "drop");
        const late = await client(server);
        const [data] = await drop;
        await once(late.resume(), "close");
        const result = [Object.keys(data).sort(), data.remotePort === late.localPort, await count(server)];
        socket.end();
        inner.resume();
        await close(server);
        return result;
      },
    ],
    [
      "whose listener fails are broken, with captureRejections",
      async (api) => {
        const server = await listening(api);
        const socket = await client(server).catch(f);
        const inner = { destroyed: "", destroy: (error: Error) => (inner.destroyed = error.message) };
        server[Symbol.for("nodejs.rejection")](new Error("mine"), "connection", inner);
        const error = once(server, "error").catch((error) => [error]);
        server[Symbol.for("nodejs.rejection")](new Error("other"), "listening");
        (socket as net.Socket).destroy();
        server.close();
        return [inner.destroyed, String((await error)[0])];
      },
    ],
  ]);
});

it("tells what it cannot do, and what to pass instead", async () => {
  const server = guest.createServer();
  for (const args of [[{ fd: 3 }], [{ handle: {} }]] as Loose[]) {
    expect(outcome(() => server.listen(...(args as [])))).toBe("RingwayError ENOSYS");
    expect(() => server.listen(...(args as []))).toThrow("{ port, host }");
  }
  for (const listen of [
    () => guest.listen(undefined as Loose),
    () => guest.listen(f as Loose),
    () => (guest as Loose).listen(),
  ]) {
    await expect(listen()).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
    await expect(listen()).rejects.toThrow("{ port: 0 } for any");
  }
});

it("listens by a port alone, also one that is text", async () => {
  for (const args of [["0"], [0], ["0", HOST], [{ host: HOST }]] as Loose[]) {
    const server = await (guest.listen as Loose).apply(guest, [
      ...args,
      (socket: Loose) => socket.end("hello"),
    ]);
    const [chunk] = await once(await client(server), "data");
    expect(String(chunk)).toBe("hello");
    await close(server);
  }
});
