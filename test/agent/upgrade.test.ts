// An upgrade through the HTTP proxy (RFC 9110, 7.8): WebSockets of programs that ask their proxy for it with a request
// in absolute form, and whose bytes are whose.

import { Client, type Dispatcher, WebSocket } from "undici";
import { describe, expect, onTestFinished, test } from "vitest";
import { createViteServer } from "vitest/node";
import { noCompiler, titled } from "../native/toolchain.ts";
import { pattern } from "../support/bytes.ts";
import { streamsAre } from "../support/monitor.ts";
import { freePort } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until, within } from "../support/wait.ts";
import { agentForAll, Wire } from "./agent.ts";
import { type Origin, origin } from "./origin.ts";

const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const headIsThere = (got: string): boolean => got.includes("\r\n\r\n");

describe.skipIf(noCompiler !== undefined)(
  titled("an upgrade through the agent's HTTP proxy", noCompiler),
  () => {
    const served = agentForAll();

    /**
     * Vite's development server, which speaks by WebSocket with the pages that it serves; it says back what it is told.
     */
    async function vite(): Promise<{ port: number; token: string }> {
      const root = temporaryFolder("vite");
      const port = await freePort();
      const server = await createViteServer({
        root,
        configFile: false,
        logLevel: "silent",
        appType: "custom",
        optimizeDeps: { noDiscovery: true },
        server: { host: "127.0.0.1", port, strictPort: true, watch: null },
      });
      server.ws.on("test:echo", (data: unknown, client: { send(event: string, data: unknown): void }) =>
        client.send("test:echo", data),
      );
      await server.listen();
      onTestFinished(async () => {
        await server.close();
      });
      return { port, token: server.config.webSocketToken };
    }

    /** A dispatcher that asks the proxy for each URL as a whole. */
    function throughProxy(): Dispatcher {
      const client = new Client(`http://127.0.0.1:${served.agent.http}`);
      onTestFinished(() => void client.destroy());
      return client.compose(
        (dispatch) => (options, handler) =>
          dispatch({ ...options, path: `${options.origin}${options.path}` }, handler),
      );
    }

    test("a WebSocket of undici's talks with the server of Vite", async () => {
      const { port, token } = await vite();
      const socket = new WebSocket(`ws://127.0.0.1:${port}/?token=${token}`, {
        protocols: "vite-hmr",
        dispatcher: throughProxy(),
      });
      const messages: unknown[] = [];
      const large = pattern(300_000, 3).toString("hex");
      const ended = new Promise((resolve, reject) => {
        socket.onerror = (event) => reject(new Error(event.message));
        socket.onclose = (event) => resolve(event.wasClean);
        socket.onmessage = ({ data }) => {
          const message = JSON.parse(data as string) as { type: string; data?: unknown };
          messages.push(message.data ?? message.type);
          if (messages.length < 3) {
            const said = messages.length === 1 ? "hello" : large;
            socket.send(JSON.stringify({ type: "custom", event: "test:echo", data: said }));
          } else {
            socket.close();
          }
        };
      });
      expect(await within("the end of a WebSocket", ended)).toBe(true);
      expect(messages).toEqual(["connected", "hello", large]);
      await streamsAre(served.host.monitor, 0);
    });

    const request = (server: Origin, headers: string, version = "HTTP/1.1", method = "GET"): string =>
      `${method} http://127.0.0.1:${server.port}/chat ${version}\r\nHost: x\r\n${headers}\r\n`;
    const OFFER = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    const echo = (piece: string): string => piece.toUpperCase();

    test.each([
      ["a WebSocket", OFFER, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"],
      [
        "any protocol",
        "connection: upgrade\r\nupgrade: foo/1, bar\r\nUpgrade: baz\r\n",
        "Connection: Upgrade\r\nUpgrade: foo/1, bar, baz\r\n",
      ],
      [
        "what is offered beside h2c",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAMA\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
      ],
    ])("offers the server %s", async (_what, headers, got) => {
      await using server = await origin(headIsThere, SWITCHED);
      using wire = await Wire.open(served.agent.http);
      wire.socket.write(request(server, headers));
      expect((await wire.take(SWITCHED.length)).toString()).toBe(SWITCHED);
      expect(server.got).toBe(`GET /chat HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${got}\r\n`);
    });

    test.each([
      [
        "h2c alone, whose server answers in HTTP/1.1",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
        "HTTP/1.1",
      ],
      ["one that Connection does not name", "Upgrade: websocket\r\n", "HTTP/1.1"],
      ["one of HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "HTTP/1.0"],
      ["what is no protocol", "Connection: Upgrade\r\nUpgrade: a b, /1, c/\r\n", "HTTP/1.1"],
    ])("does not offer %s", async (_what, headers, version) => {
      await using server = await origin(headIsThere, OK);
      using wire = await Wire.open(served.agent.http);
      wire.socket.write(request(server, headers, version));
      expect((await wire.take(OK.length)).toString()).toBe(OK);
      expect(server.got).toBe(
        `GET /chat ${version}\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`,
      );
    });

    test.each([
      ["at once", SWITCHED],
      [
        "after interim answers",
        `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${SWITCHED}`,
      ],
      ["with lines that end with LF", "HTTP/1.1 101\nUpgrade: websocket\n\n"],
    ])(
      "after 101 %s raw bytes go both ways, also those behind either head, and the end",
      async (_what, answer) => {
        await using server = await origin(headIsThere, `${answer}from the server\r\n`, echo);
        using wire = await Wire.open(served.agent.http);
        wire.socket.write(`${request(server, OFFER)}GET / HTTP/1.1\r\n`);
        const first = `${answer}from the server\r\nGET / HTTP/1.1\r\n`;
        expect((await wire.take(first.length)).toString()).toBe(first);
        await wire.dribble(Buffer.from("more\r\n\r\n"));
        expect((await wire.take(8)).toString()).toBe("MORE\r\n\r\n");
        wire.socket.end();
        expect((await wire.rest()).how).toBe("end");
        expect(server.body).toBe("GET / HTTP/1.1\r\nmore\r\n\r\n");
        await streamsAre(served.host.monitor, 0);
      },
    );

    test("an answer that comes byte by byte switches as well", async () => {
      await using server = await origin(headIsThere, "H", (piece) => (piece === "!" ? "?" : ""));
      using wire = await Wire.open(served.agent.http);
      wire.socket.write(`${request(server, OFFER)}!`);
      await wire.take(1);
      const far = server.sockets[0]!;
      for (const byte of SWITCHED.slice(1)) {
        await new Promise((resolve) => far.write(byte, resolve));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await wire.take(SWITCHED.length)).toString()).toBe(`${SWITCHED.slice(1)}?`);
    });

    test("the body of the request is counted before what follows it is another protocol's", async () => {
      await using server = await origin((got) => got.endsWith("body"), SWITCHED, echo);
      using wire = await Wire.open(served.agent.http);
      wire.socket.write(`${request(server, `${OFFER}Content-Length: 4\r\n`, "HTTP/1.1", "POST")}bodyraw`);
      const all = `${SWITCHED}RAW`;
      expect((await wire.take(all.length)).toString()).toBe(all);
      expect(server.body).toBe("bodyraw");
    });

    const SECOND = "GET http://other.test/ HTTP/1.1\r\nAuthorization: secret\r\n\r\n";

    test.each([
      ["200", OK],
      ["426", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"],
      ["what is no HTTP", "HTTP/1.1 1010 No\r\n\r\n"],
      ["101 in its text alone", "HTTP/1.1 200 101\r\nContent-Length: 3\r\n\r\n101"],
    ])(
      "after %s it is an ordinary request: not a byte of the next one reaches its server",
      async (_what, answer) => {
        await using server = await origin(headIsThere, answer);
        using wire = await Wire.open(served.agent.http);
        wire.socket.write(request(server, OFFER));
        expect((await wire.take(answer.length)).toString()).toBe(answer);
        wire.socket.write(SECOND);
        expect((await wire.rest()).how).toBe("ECONNRESET");
        await server.over();
        expect(server.body).toBe("");
        await streamsAre(served.host.monitor, 0);
      },
    );

    test("one in the same segment waits for the answer, and does not reach its server either", async () => {
      await using server = await origin(headIsThere, OK);
      using wire = await Wire.open(served.agent.http);
      wire.socket.write(request(server, OFFER) + SECOND);
      expect((await wire.rest()).bytes.toString()).toBe(OK);
      await server.over();
      expect(server.body).toBe("");
    });

    test.each([
      ["breaks it", (wire: Wire) => void wire.socket.resetAndDestroy()],
      ["closes its socket", (wire: Wire) => void wire.socket.destroy()],
    ])(
      "nothing stays where the program %s before the answer, with bytes behind its request",
      async (_what, leave) => {
        await using server = await origin(headIsThere, "");
        using wire = await Wire.open(served.agent.http);
        wire.socket.write(request(server, OFFER) + SECOND);
        await until("the request", () => headIsThere(server.got));
        leave(wire);
        await server.over();
        expect(server.body).toBe("");
        await streamsAre(served.host.monitor, 0);
      },
    );
  },
);
