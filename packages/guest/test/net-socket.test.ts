// Every call of net.Socket on a socket of Node's and on one of the guest's, through a real monitor, to the same
// servers: results, errors and events are the same.

import { once } from "node:events";
import { Guest } from "@ringway/guest";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { type Host, startHost } from "./host.ts";
import {
  type Api,
  closed,
  guestApi,
  type Loose,
  nodeApi,
  outcome,
  type Peers,
  startPeers,
  told,
  trace,
} from "./net-api.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;
let peers: Peers;
const HOST = "127.0.0.1";

beforeAll(async () => {
  host = hold(await startHost());
  peers = hold(await startPeers());
  guest = hold(await Guest.attach(host.path));
});

type Row = [name: string, run: (api: Api) => unknown];

function same(rows: Row[]): void {
  it.each(rows)("%s", async (_name, run) => {
    expect(await run(guestApi(guest))).toEqual(await run(nodeApi));
  });
}

const quiet = (socket: Loose): Loose => socket.on("error", () => {});
const settled = (socket: Loose): Promise<void> => closed(quiet(socket));

async function connected(api: Api, port: keyof Peers = "echo", options = {}): Promise<Loose> {
  const socket = api.connect({ port: peers[port], host: HOST, ...options });
  await once(socket, "connect");
  return socket;
}

/** All that comes, as hexadecimal. */
async function all(socket: Loose): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of socket) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("hex");
}

/** Echoes what `write` writes. */
async function echoed(api: Api, write: (socket: Loose) => void): Promise<string> {
  const socket = await connected(api);
  write(socket);
  return await all(socket);
}

/** Of a call's arguments, what it throws, or whether it gives the socket back. */
function calls(method: string, lists: unknown[][], options?: object): Row[] {
  return lists.map(
    (args): Row => [
      `${method}(${args.map((arg) => (typeof arg === "function" ? "function" : (JSON.stringify(arg) ?? String(arg)))).join(", ")})`,
      async (api) => {
        const socket = quiet(api.socket(options));
        const result = outcome(() => {
          const value = socket[method](...args);
          return value === socket ? "this" : value;
        });
        socket.destroy();
        return result;
      },
    ],
  );
}

const f = (): void => {};

describe("arguments", () => {
  same(
    calls("connect", [
      [],
      [{}],
      [undefined],
      [null],
      [f],
      [70_000],
      [-1],
      [1.5],
      [Number.NaN],
      [""],
      ["  "],
      ["70000"],
    ]),
  );
  same(
    calls(
      "connect",
      [true, null, [], {}, "x", "", -1, 1e9].map((port) => [{ port }]),
    ),
  );
  same(
    calls("connect", [[{ port: 1, host: 5 }], [{ port: 1, host: {} }], [{ port: 1, host: HOST, lookup: 5 }]]),
  );
  same(
    calls("connect", [[1, HOST], ["1", HOST], [{ port: "0x10", host: HOST }], [{ port: 1, host: HOST }, f]]),
  );
  same(
    calls("setTimeout", [
      [],
      [0],
      [1],
      ["1"],
      [-1],
      [Number.NaN],
      [Number.POSITIVE_INFINITY],
      [1, f],
      [0, f],
      [1, 3],
      [0, 3],
    ]),
  );
  same(calls("setNoDelay", [[], [true], [false], ["x"]]));
  same(calls("setKeepAlive", [[], [true], [true, 1000], [false, -1], ["x", "y"]]));
  same(calls("write", [[], [null], [5], [{}], ["x", "nope"], [""]]));
  same(calls("end", [[5], [{}]]));
  same(calls("setEncoding", [["utf8"], ["nope"], [undefined]]));
  same(calls("address", [[]]));
  for (const method of ["ref", "unref", "pause", "resume", "read", "destroySoon", "cork", "uncork"])
    same(calls(method, [[]]));
  same(
    [
      { objectMode: true },
      { readableObjectMode: true },
      { writableObjectMode: 1 },
      { keepAliveInitialDelay: "x" },
    ].map(
      (options): Row => [
        `new Socket(${JSON.stringify(options)})`,
        (api) => outcome(() => typeof api.socket(options)),
      ],
    ),
  );
  it.each([{ signal: 5 }, { signal: {} }])("new Socket(%o)", (options) => {
    expect(outcome(() => guest.createSocket(options as Loose))).toBe(outcome(() => nodeApi.socket(options)));
  });
});

describe("connecting", () => {
  same([
    ["by port and host", (api) => once(api.connect(peers.echo, HOST), "connect").then(() => "connected")],
    [
      "by a port that is text",
      (api) => once(api.connect({ port: `${peers.echo}`, host: HOST }), "connect").then(() => 1),
    ],
    ["calls the listener", (api) => new Promise<void>((resolve) => api.connect(peers.echo, HOST, resolve))],
    [
      "of a socket made before",
      async (api) => {
        const socket = api.socket();
        const seen = trace(socket);
        const state = [socket.pending, socket.connecting, socket.readyState, socket.bufferSize];
        expect(socket.connect({ port: peers.greeter, host: HOST })).toBe(socket);
        state.push(socket.pending, socket.connecting, socket.readyState);
        socket.resume();
        await closed(socket);
        return {
          seen,
          state,
          after: [socket.pending, socket.connecting, socket.readyState, socket.bufferSize],
        };
      },
    ],
    [
      "again, after it was closed",
      async (api) => {
        const socket = api.socket();
        const texts: string[] = [];
        for (let i = 0; i < 3; i++) {
          socket.connect(peers.echo, HOST);
          socket.end(`round ${i}`);
          texts.push(
            await new Promise((resolve) => socket.once("data", (chunk: Buffer) => resolve(chunk.toString()))),
          );
          await closed(socket);
        }
        return texts;
      },
    ],
    [
      "while it connects",
      async (api) => {
        const socket = api.connect(peers.silent, HOST);
        socket.connect(peers.silent, HOST);
        const [error] = await once(socket, "error");
        return told(error);
      },
    ],
    [
      "while it is connected, which is told anew",
      async (api) => {
        const socket = await connected(api, "silent");
        const seen = trace(socket);
        socket.connect(peers.silent, HOST);
        await once(socket, "ready");
        socket.destroy();
        await closed(socket);
        return seen;
      },
    ],
    ...[HOST, "localhost"].map(
      (name): Row => [
        `to port 0 of ${name}`,
        async (api) => {
          const socket = api.connect({ port: 0, host: name, family: 4 });
          const seen = trace(socket);
          const [error] = await once(socket, "error");
          await closed(socket);
          return [told(error), error.port, seen];
        },
      ],
    ),
    [
      "is refused",
      async (api) => {
        const socket = api.connect(peers.nobody, HOST);
        const seen = trace(socket);
        const [error] = await once(socket, "error");
        await settled(socket);
        const { address, port, message } = error as Loose;
        return { ...(told(error) as object), address, port, message, seen, state: socket.readyState };
      },
    ],
    [
      "is aborted before, meanwhile and afterwards",
      async (api) => {
        const results: unknown[] = [];
        for (const when of ["before", "meanwhile", "afterwards"]) {
          const abort = new AbortController();
          if (when === "before") abort.abort();
          const socket = api.connect({ port: peers.silent, host: HOST, signal: abort.signal });
          const errors: unknown[] = [];
          socket.on("error", (error: Loose) => errors.push(error.name, error.code));
          if (when === "afterwards") await once(socket, "connect");
          abort.abort();
          await closed(socket);
          results.push(errors);
        }
        return results;
      },
    ],
    [
      "destroyed meanwhile",
      async (api) => {
        const socket = api.connect(peers.silent, HOST);
        const seen = trace(socket);
        const write = new Promise((resolve) => socket.write("x", resolve));
        socket.destroy();
        await closed(socket);
        return { seen, write: told(await write) };
      },
    ],
    [
      "reset meanwhile, which waits for the connection",
      async (api) => {
        const socket = api.connect(peers.silent, HOST);
        const seen = trace(socket);
        socket.resetAndDestroy();
        await closed(socket);
        return seen;
      },
    ],
    [
      "with a timeout",
      async (api) => {
        const socket = api.connect({ port: peers.silent, host: HOST, timeout: 30 });
        await once(socket, "timeout");
        const result = [socket.timeout, socket.destroyed];
        socket.destroy();
        return result;
      },
    ],
    [
      "never",
      async (api) => {
        const results: unknown[] = [];
        for (const act of [
          (socket: Loose) => socket.write("x", (error: unknown) => results.push(told(error))),
          (socket: Loose) => socket.resetAndDestroy(),
          (socket: Loose) => socket.destroy(),
          (socket: Loose) => socket.destroy(new Error("mine")),
          (socket: Loose) => socket.destroySoon(),
        ]) {
          const socket = api.socket();
          const seen = trace(socket);
          act(socket);
          await new Promise((resolve) => setTimeout(resolve, 5));
          results.push(seen);
        }
        return results;
      },
    ],
  ]);
});

describe("writing", () => {
  same([
    [
      "text and bytes in every form",
      (api) =>
        echoed(api, (socket) => {
          socket.write("é");
          socket.write("é", "latin1");
          socket.write("00ff7", "hex");
          socket.write("aGk=", "base64");
          socket.write("-_8", "base64url");
          socket.write("ab", "utf16le");
          socket.write("ab", "ucs2");
          socket.write("ab", "ascii");
          socket.write("ab", "binary");
          socket.write(Buffer.from("buffer"));
          socket.write(new Uint8Array([1, 2, 3]));
          socket.write("");
          socket.setDefaultEncoding("hex");
          socket.write("0a0b");
          socket.end("f00d", "hex");
        }),
    ],
    [
      "corked",
      (api) =>
        echoed(api, (socket) => {
          socket.cork();
          for (const text of ["a", "b", "c"]) socket.write(text);
          process.nextTick(() => socket.uncork());
          process.nextTick(() => socket.end());
        }),
    ],
    [
      "before it is connected",
      async (api) => {
        const socket = api.connect(peers.echo, HOST);
        const order: string[] = [];
        socket.write("a", () => order.push("a"));
        socket.write(Buffer.from("b"), () => order.push("b"));
        socket.on("connect", () => order.push("connect"));
        const early = [socket.bytesWritten, socket.bufferSize, socket.writableLength];
        socket.end("é", "latin1", () => order.push("finish"));
        return { early, text: await all(socket), order, late: [socket.bytesWritten, socket.bytesRead] };
      },
    ],
    [
      "calls back in order, in each of end()'s forms",
      async (api) => {
        const results: string[][] = [];
        for (const end of [
          (socket: Loose, done: () => void) => socket.end(done),
          (socket: Loose, done: () => void) => socket.end("x", done),
          (socket: Loose, done: () => void) => socket.end("00", "hex", done),
        ]) {
          const socket = await connected(api);
          const seen = trace(socket);
          expect(socket.write("y", () => seen.push("written"))).toBe(true);
          expect(end(socket, () => seen.push("ended"))).toBe(socket);
          socket.resume();
          await closed(socket);
          results.push(seen);
        }
        return results;
      },
    ],
    [
      "after end()",
      async (api) => {
        const socket = await connected(api, "silent");
        const seen = trace(socket);
        socket.end();
        const error = new Promise((resolve) => socket.write("x", resolve));
        await settled(socket);
        return { seen, error: told(await error) };
      },
    ],
    [
      "after destroy()",
      async (api) => {
        const socket = await connected(api, "silent");
        socket.destroy();
        const error = await new Promise((resolve) => socket.write("x", resolve));
        return told(error);
      },
    ],
    [
      "after the peer's end",
      async (api) => {
        const socket = await connected(api, "greeter");
        const seen = trace(socket);
        socket.resume();
        const error = await new Promise((resolve) => {
          socket.once("end", () => process.nextTick(() => socket.write("x", resolve)));
        });
        await settled(socket);
        return { seen, error: told(error) };
      },
    ],
    [
      "more than anybody takes, then destroy()",
      async (api) => {
        const socket = await connected(api, "silent");
        socket.write("first");
        const errors: unknown[] = [];
        // Node says that this one was written; the guest, that it was not (below).
        socket.write(Buffer.alloc(50_000_000));
        socket.write("x", (error: unknown) => errors.push(told(error)));
        const mine = new Error("mine");
        socket.destroy(mine);
        await settled(socket);
        return errors;
      },
    ],
    [
      "counts bytes",
      async (api) => {
        const socket = await connected(api);
        const counts = [socket.bytesWritten, socket.bytesRead];
        socket.write("é");
        socket.write("ff", "hex");
        counts.push(socket.bytesWritten);
        socket.end();
        await all(socket);
        return [...counts, socket.bytesWritten, socket.bytesRead];
      },
    ],
  ]);
});

describe("reading", () => {
  same([
    [
      "with an encoding",
      async (api) => {
        const socket = await connected(api);
        expect(socket.setEncoding("utf8")).toBe(socket);
        const bytes = Buffer.from("aé漢😀");
        const texts: string[] = [];
        socket.on("data", (text: string) => texts.push(text));
        for (const byte of bytes) socket.write(Buffer.of(byte));
        socket.end();
        await closed(socket);
        return texts.join("");
      },
    ],
    [
      "with read(n)",
      async (api) => {
        const socket = await connected(api);
        socket.end("0123456789");
        const parts: unknown[] = [];
        socket.on("readable", () => {
          for (let part = socket.read(4); part !== null; part = socket.read(4)) parts.push(String(part));
        });
        await closed(socket);
        return parts;
      },
    ],
    [
      "paused",
      async (api) => {
        const socket = await connected(api);
        socket.pause();
        let bytes = 0;
        socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
        socket.end("abc");
        await new Promise((resolve) => setTimeout(resolve, 20));
        const before = [bytes, socket.isPaused(), socket.readableFlowing];
        socket.resume();
        await closed(socket);
        return [before, bytes];
      },
    ],
    [
      "into one buffer, with pauses",
      async (api) => {
        const parts: string[] = [];
        const buffer = Buffer.alloc(4);
        const onread = {
          buffer,
          callback: (bytes: number, into: Buffer) => {
            expect(into).toBe(buffer);
            parts.push(into.toString("latin1", 0, bytes));
            if (parts.length === 2) setTimeout(() => socket.resume(), 5);
            return parts.length !== 2;
          },
        };
        const socket = api.socket({ onread });
        socket.on("data", () => parts.push("data"));
        socket.connect(peers.echo, HOST);
        socket.end("0123456789");
        await closed(socket);
        return parts;
      },
    ],
    [
      "into buffers that a function gives",
      async (api) => {
        let made = 0;
        let text = "";
        const onread = {
          buffer: () => Buffer.alloc(3, ++made),
          callback: (bytes: number, into: Buffer) => {
            text += into.toString("latin1", 0, bytes);
          },
        };
        const socket = api.connect({ port: peers.echo, host: HOST, onread });
        socket.end("0123456789");
        await settled(socket);
        return [text, made > 3];
      },
    ],
    ...[0, 4].map(
      (bytes): Row => [
        `into a buffer that holds nothing, after one of ${bytes} bytes`,
        async (api) => {
          const parts: string[] = [];
          const buffers = [Buffer.alloc(bytes), Buffer.alloc(0)].slice(bytes === 0 ? 1 : 0);
          const onread = {
            buffer: () => buffers.shift() ?? Buffer.alloc(0),
            callback: (count: number, into: Buffer) => void parts.push(into.toString("latin1", 0, count)),
          };
          const socket = api.connect({ port: peers.echo, host: HOST, onread });
          const error = new Promise((resolve) => socket.once("error", resolve));
          socket.end("0123456789");
          await closed(socket);
          return [parts, told(await error)];
        },
      ],
    ),
    ...Object.entries({
      "{}": {},
      "5": 5,
      "a buffer alone": { buffer: Buffer.alloc(2) },
      "a callback alone": { callback: () => true },
      "what is no buffer": { buffer: new DataView(new ArrayBuffer(2)), callback: () => true },
    }).map(
      ([name, onread]): Row => [
        `with an onread that is none: ${name}`,
        async (api) => {
          const socket = api.connect({ port: peers.echo, host: HOST, onread });
          socket.end("0123456789");
          return await all(socket);
        },
      ],
    ),
    [
      "into the buffer before, where the function gives none",
      async (api) => {
        let made = 0;
        let text = "";
        const onread = {
          buffer: () => (made++ === 0 ? Buffer.alloc(3) : "none"),
          callback: (bytes: number, into: Buffer) => {
            text += into.toString("latin1", 0, bytes);
          },
        };
        const socket = api.connect({ port: peers.echo, host: HOST, onread });
        socket.end("0123456789");
        await settled(socket);
        return text;
      },
    ],
  ]);
});

describe("ending", () => {
  same([
    [
      "when the peer has ended",
      async (api) => {
        const socket = await connected(api, "greeter");
        const seen = trace(socket);
        socket.resume();
        await closed(socket);
        return seen;
      },
    ],
    [
      "half open",
      async (api) => {
        const socket = await connected(api, "greeter", { allowHalfOpen: true });
        const seen = trace(socket);
        socket.resume();
        await once(socket, "end");
        await new Promise((resolve) => setTimeout(resolve, 10));
        const half = [socket.readyState, socket.allowHalfOpen, socket.writable, socket.destroyed];
        socket.end("more");
        await closed(socket);
        return { seen, half };
      },
    ],
    [
      "when the peer breaks it",
      async (api) => {
        const socket = await connected(api, "breaker");
        const seen = trace(socket);
        socket.resume().write("x");
        const [error] = await once(socket, "error");
        await settled(socket);
        return { seen, error: told(error) };
      },
    ],
    [
      "with destroySoon()",
      async (api) => {
        const socket = await connected(api, "silent");
        const seen = trace(socket);
        const at = peers.ends.length;
        socket.write("x");
        socket.destroySoon();
        await closed(socket);
        await expect.poll(() => peers.ends.length).toBe(at + 1);
        return { seen, peer: peers.ends.at(-1) };
      },
    ],
    [
      "with destroy(), with and without an error",
      async (api) => {
        const results: unknown[] = [];
        for (const error of [undefined, new Error("mine")]) {
          const socket = await connected(api, "silent");
          const seen = trace(socket);
          expect(socket.destroy(error)).toBe(socket);
          await settled(socket);
          results.push(seen, socket.destroyed, socket.closed, socket.errored?.message);
        }
        return results;
      },
    ],
    [
      "with resetAndDestroy()",
      async (api) => {
        const socket = await connected(api, "silent");
        const seen = trace(socket);
        const at = peers.ends.length;
        expect(socket.resetAndDestroy()).toBe(socket);
        await closed(socket);
        await expect.poll(() => peers.ends.length).toBe(at + 1);
        return { seen, peer: peers.ends.at(-1) };
      },
    ],
  ]);
});

describe("state", () => {
  const kinds = (socket: Loose): unknown => ({
    address: Object.keys(socket.address()).sort(),
    local: [socket.localAddress, typeof socket.localPort, socket.localFamily],
    remote: [socket.remoteAddress, socket.remotePort, socket.remoteFamily],
    states: [socket.pending, socket.connecting, socket.readyState, socket.destroyed, socket.bufferSize],
    others: [socket.timeout, socket.server, socket.allowHalfOpen, socket.bytesRead, socket.bytesWritten],
  });
  same([
    [
      "before, while and after it is connected",
      async (api) => {
        const socket = api.socket();
        const states = [kinds(socket)];
        socket.connect(peers.silent, HOST);
        states.push(kinds(socket));
        await once(socket, "connect");
        states.push(kinds(socket));
        socket.setTimeout(1000);
        socket.destroy();
        states.push(kinds(socket));
        await closed(socket);
        return [...states, kinds(socket), socket.setTimeout(5) === socket, socket.timeout];
      },
    ],
    [
      "timeouts: again after activity, and turned off",
      async (api) => {
        const socket = await connected(api);
        let times = 0;
        const count = (): void => void times++;
        socket.resume().setTimeout(15, count);
        await once(socket, "timeout");
        await new Promise((resolve) => setTimeout(resolve, 40));
        const first = times;
        socket.on("timeout", count).write("x");
        await once(socket, "timeout");
        socket.setTimeout(0, count);
        const { timeout } = socket;
        socket.write("x");
        await new Promise((resolve) => setTimeout(resolve, 40));
        socket.destroy();
        return [first, times, timeout, socket.listenerCount("timeout")];
      },
    ],
  ]);
});

it("says of a write that destroy() cut off that it was", async () => {
  const socket = await connected(guestApi(guest), "silent");
  const written = new Promise((resolve) => socket.write(Buffer.alloc(50_000_000), resolve));
  socket.destroy();
  expect(await written).toMatchObject({ code: "ECANCELED", syscall: "write" });
});

it("tells what it cannot do, and what to pass instead", () => {
  const socket = guest.createSocket();
  const refused = (call: () => unknown): unknown => {
    try {
      return call();
    } catch (error) {
      return [(error as Loose).code, (error as Loose).message];
    }
  };
  const from = { port: 1, localAddress: "127.0.0.1" } as Loose;
  expect(refused(() => socket.connect(from))).toEqual(["ENOSYS", expect.stringContaining("localAddress")]);
  expect(refused(() => socket.connect({ port: 1, localPort: 5 } as Loose))).toEqual([
    "ENOSYS",
    expect.stringContaining("localPort"),
  ]);
  expect(refused(() => guest.createSocket({ fd: 0 } as Loose))).toEqual([
    "ENOSYS",
    expect.stringContaining("fd"),
  ]);
});
