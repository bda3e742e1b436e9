// Where a request ends: what RFC 9112 says, what the HTTP proxy answers, and what the server really gets. Two readings
// of one end are how a request is smuggled behind another (RFC 9112, 11.2): so there is one, or none.

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { noCompiler, titled } from "../native/toolchain.ts";
import { streamsAre } from "../support/monitor.ts";
import { agentForAll, Wire } from "./agent.ts";
import { origin } from "./origin.ts";

const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";

describe.skipIf(noCompiler !== undefined)(
  titled("the end of a request to the HTTP proxy", noCompiler),
  () => {
    const served = agentForAll();

    /** The clause of RFC 9112, or of another; the headers; the answer to them. */
    const REFUSED: readonly (readonly [string, string, number])[] = [
      ["6.3: a length and a coding", "Content-Length: 4\r\nTransfer-Encoding: chunked", 400],
      ["6.3: a coding and a length", "Transfer-Encoding: chunked\r\nContent-Length: 4", 400],
      [
        "6.3: a length and a coding that is not known",
        "Content-Length: 4\r\nTransfer-Encoding: gzip, chunked",
        400,
      ],
      ["6.3: two lengths", "Content-Length: 4\r\nContent-Length: 5", 400],
      ["6.3: a list of lengths", "Content-Length: 4, 4", 400],
      ["9110 8.6: a length with a sign", "Content-Length: +4", 400],
      ["9110 8.6: a length with a sign", "Content-Length: -1", 400],
      ["9110 8.6: a length of hexadecimal digits", "Content-Length: 0x4", 400],
      ["9110 8.6: a length with a space", "Content-Length: 4 4", 400],
      ["9110 8.6: a length with an underscore", "Content-Length: 1_0", 400],
      ["9110 8.6: no length", "Content-Length:", 400],
      ["6.3: a length beyond 64 bits", "Content-Length: 18446744073709551620", 400],
      ["6.1: a coding that is not known", "Transfer-Encoding: gzip, chunked", 501],
      ["6.1: the same in two lines", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501],
      ["6.3: a coding that does not end", "Transfer-Encoding: gzip", 400],
      ["6.3: a coding that does not end", "Transfer-Encoding: xchunked", 400],
      ["6.3: a coding after the chunks", "Transfer-Encoding: chunked, gzip", 400],
      ["6.3: a coding of old", "Transfer-Encoding: identity", 400],
      ["6.3: a coding of old after the chunks", "Transfer-Encoding: chunked, identity", 400],
      ["6.1: chunks twice", "Transfer-Encoding: chunked, chunked", 400],
      ["6.1: chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400],
      ["7: chunks with a parameter", "Transfer-Encoding: chunked;a=b", 400],
      ["9110 10.1.4: a coding in quotes", 'Transfer-Encoding: "chunked"', 400],
      ["9110 10.1.4: a coding after a control character", "Transfer-Encoding: \vchunked", 400],
      ["9110 10.1.4: no coding", "Transfer-Encoding:", 400],
      ["9110 5.6.1: an empty element", "Transfer-Encoding: ,chunked", 400],
      ["9110 5.6.1: an empty element", "Transfer-Encoding: chunked,", 400],
      ["5.1: a space before the colon", "Content-Length : 4", 400],
      ["5.1: a tab before the colon", "Transfer-Encoding\t: chunked", 400],
      ["2.2: a space before the first header", " Content-Length: 4", 400],
      ["5.2: a folded line", "Transfer-Encoding:\r\n chunked", 400],
      ["5.2: a folded line", "A: b\r\n folded", 400],
      ["5: a line without a colon", "no colon", 400],
      ["5: a header without a name", ": no name", 400],
      ["9110 5.1: a NUL in a name", "A\0: b", 400],
      ["9110 5.5: a NUL in a value", "A: b\0c", 400],
      ["2.2: a CR that ends no line", "A: b\rContent-Length: 4", 400],
      ["2.2: a CR too many", "A: b\r", 400],
      [
        "9110 7.6.1: Connection with the length",
        "Connection: close, content-length\r\nContent-Length: 4",
        400,
      ],
      [
        "9110 7.6.1: Connection with the coding",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
        400,
      ],
      ["9110 7.6.1: Connection with Host", "Connection: Host", 400],
      ["9110 7.6.1: Connection with no name", "Connection: a b", 400],
      ["a length for servers that read _ as -", "Content_Length: 4", 400],
      ["a coding for servers that read _ as -", "transfer_encoding: chunked", 400],
    ];

    test.each(REFUSED)(
      "%s: %j is answered with %i, and reaches no server",
      async (_clause, headers, status) => {
        await using server = await origin(() => true, ANSWER);
        using wire = await Wire.open(served.agent.http);
        const head = `POST http://127.0.0.1:${server.port}/ HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`;
        wire.socket.write(Buffer.from(`${head}4\r\nbody\r\n0\r\n\r\n${SMUGGLED}`, "latin1"));
        const { bytes, how } = await wire.rest();
        expect({ how, line: bytes.toString("latin1").split("\r\n")[0] }).toEqual({
          how: "end",
          line: expect.stringMatching(new RegExp(`^HTTP/1\\.1 ${status} `)),
        });
        expect(server.sockets.length).toBe(0);
      },
    );

    test("6.1: chunks in HTTP/1.0 are refused", async () => {
      await using server = await origin(() => true, ANSWER);
      using wire = await Wire.open(served.agent.http);
      wire.socket.write(`POST http://127.0.0.1:${server.port}/ HTTP/1.0\r\n${CHUNKED}\r\n0\r\n\r\n`);
      expect((await wire.rest()).bytes.toString()).toMatch(/^HTTP\/1\.1 400 /);
      expect(server.sockets.length).toBe(0);
    });

    /** The head goes to the server before the body is looked at: it gets that, and the end. */
    const BROKEN: readonly (readonly [string, string])[] = [
      ["7.1: a size with an underscore", "0_5\r\nbody!\r\n0\r\n\r\n"],
      ["7.1: a size with 0x", "0x5\r\nbody!\r\n0\r\n\r\n"],
      ["7.1: a size with a sign", "+5\r\nbody!\r\n0\r\n\r\n"],
      ["7.1: a size with a sign", "-1\r\nbody!\r\n0\r\n\r\n"],
      ["7.1: a size that is none", "x\r\n"],
      ["7.1: an empty size", "\r\nbody\r\n0\r\n\r\n"],
      ["7.1: a size after a space", " 5\r\nbody!\r\n0\r\n\r\n"],
      ["7.1: digits after a space", "1 0\r\nb\r\n0\r\n\r\n"],
      ["7.1: an extension without a size", ";a=b\r\n"],
      ["7.1: a size out of range", "FFFFFFFFFFFFFFFFF\r\n"],
      ["7.1: a size that is 5 in 64 bits", "10000000000000005\r\nbody!\r\n0\r\n\r\n"],
      ["7.1: a size without end", "0".repeat(5000)],
      ["7.1: a size that ends with LF", "5\nbody!\r\n0\r\n\r\n"],
      ["7.1: a size that ends with CR", "5\rbody!\r\n0\r\n\r\n"],
      ["7.1: data that ends with LF", "5\r\nbody!\n0\r\n\r\n"],
      ["7.1: data of more than its size", "4\r\nbody!\r\n0\r\n\r\n"],
      ["7.1: data of less than its size", "6\r\nbody!\r\n0\r\n\r\n"],
      ["7.1.1: an extension that ends with LF", "5;a\nbody!\r\n0\r\n\r\n"],
      ["7.1.1: a CR in an extension", "5;a\rb\r\nbody!\r\n0\r\n\r\n"],
      ["7.1.1: a NUL in an extension", "5;a\0\r\nbody!\r\n0\r\n\r\n"],
      ["7.1.1: an extension without end", `5;${"a".repeat(5000)}`],
      ["7.1.2: a last line that is LF", "0\r\n\n"],
      ["7.1.2: a trailer that ends with LF", "0\r\nA: b\n\r\n"],
      ["7.1.2: a trailer without a name", "0\r\n: a\r\n\r\n"],
      ["7.1.2: a trailer with a space before the colon", "0\r\nA : b\r\n\r\n"],
      ["7.1.2: a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"],
      ["7.1.2: trailers without end", `0\r\n${"A: b\r\n".repeat(3000)}`],
    ];

    test.each(BROKEN)(
      "%s: the server gets none of %j, and both connections are reset",
      async (_clause, body) => {
        await using server = await origin(() => false, ANSWER);
        using wire = await Wire.open(served.agent.http);
        const head = `POST http://127.0.0.1:${server.port}/ HTTP/1.1\r\n${CHUNKED}\r\n`;
        wire.socket.write(Buffer.from(`${head}${body}${SMUGGLED}`, "latin1"));
        expect((await wire.rest()).how).toBe("ECONNRESET");
        await server.over();
        expect(server.got).not.toContain("smuggled");
        expect(server.body.length).toBeLessThan(body.length);
        await streamsAre(served.host.monitor, 0);
      },
    );

    /** What is sent behind the request line; what the server gets behind Connection: close; the data in it. */
    const PASSED: readonly (readonly [string, string, string, string])[] = [
      ["6.3: no body", "\r\n", "\r\n", ""],
      [
        "6.3: the same length twice",
        "Content-Length: 4\r\ncontent-length: 4\r\n\r\nbody",
        "Content-Length: 4\r\n\r\nbody",
        "body",
      ],
      [
        "5: a length among spaces, with a 0",
        "content-length: \t04 \r\n\r\nbody",
        "Content-Length: 4\r\n\r\nbody",
        "body",
      ],
      [
        "5: a coding among spaces",
        "transfer-encoding:\tCHUNKED \r\n\r\n0\r\n\r\n",
        `${CHUNKED}\r\n0\r\n\r\n`,
        "",
      ],
      [
        "2.2: lines that end with LF",
        "Content-Length: 4\nA: b\n\nbody",
        "Content-Length: 4\r\nA: b\r\n\r\nbody",
        "body",
      ],
      [
        "7.1: chunks",
        `${CHUNKED}\r\n4\r\nbody\r\n00A\r\n0123456789\r\n000\r\n\r\n`,
        `${CHUNKED}\r\n4\r\nbody\r\n00A\r\n0123456789\r\n000\r\n\r\n`,
        "body0123456789",
      ],
      [
        "7.1.1: extensions",
        `${CHUNKED}\r\n4;a;b=c;d="e;f"\r\nbody\r\n0;g\r\n\r\n`,
        `${CHUNKED}\r\n4;a;b=c;d="e;f"\r\nbody\r\n0;g\r\n\r\n`,
        "body",
      ],
      [
        "7.1.2: trailers",
        `${CHUNKED}\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\nX-None:\r\n\r\n`,
        `${CHUNKED}\r\n4\r\nbody\r\n0\r\nX-Sum: 1\r\nX-None:\r\n\r\n`,
        "body",
      ],
    ];

    test.each(PASSED)("%s: %j goes on, and what is behind it does not", async (_clause, sent, got) => {
      await using server = await origin((all) => all.endsWith(got), ANSWER);
      using wire = await Wire.open(served.agent.http);
      wire.socket.write(`POST http://127.0.0.1:${server.port}/ HTTP/1.1\r\n${sent}`);
      expect((await wire.take(ANSWER.length)).toString()).toBe(ANSWER);
      wire.socket.write(SMUGGLED);
      expect((await wire.rest()).how).toBe("ECONNRESET");
      await server.over();
      expect(server.got).toBe(
        `POST / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n${got}`,
      );
    });

    test("a server of Node's reads the same data in all that goes on", async () => {
      const bodies: string[] = [];
      const server = createServer(async (request: IncomingMessage, response) => {
        let body = "";
        for await (const chunk of request) body += String(chunk);
        bodies.push(body);
        response.end("ok");
      }).listen(0, "127.0.0.1");
      onTestFinished(() => void server.close());
      await new Promise((resolve) => server.once("listening", resolve));
      const { port } = server.address() as AddressInfo;
      for (const [, sent] of PASSED) {
        using wire = await Wire.open(served.agent.http);
        wire.socket.write(`POST http://127.0.0.1:${port}/ HTTP/1.1\r\n${sent}`);
        expect((await wire.rest()).bytes.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      }
      expect(bodies).toEqual(PASSED.map(([, , , data]) => data));
    });

    describe("2.2: empty lines before a request", () => {
      test.each([
        ["one", "\r\n"],
        ["four", "\r\n\n\r\n\n"],
      ])("%s: passed over, for a request of either kind", async (_what, lines) => {
        await using server = await origin((got) => got.endsWith("\r\n\r\n"), ANSWER);
        const head = "HTTP/1.1\r\nHost: x\r\n\r\n";
        using plain = await Wire.open(served.agent.http);
        using tunnel = await Wire.open(served.agent.http);
        await plain.dribble(Buffer.from(`${lines}GET http://127.0.0.1:${server.port}/a ${head}`));
        expect((await plain.take(ANSWER.length)).toString()).toBe(ANSWER);
        tunnel.socket.write(`${lines}CONNECT 127.0.0.1:${server.port} ${head}behind`);
        expect((await tunnel.take(12)).toString()).toBe("HTTP/1.1 200");
        await server.sees("behind");
        expect(server.got).toBe(
          `GET /a HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\nbehind`,
        );
      });

      test.each([
        ["five", "\r\n\r\n\r\n\r\n\r\n"],
        ["a line with a space", " \r\n"],
        ["a CR alone", "\r"],
        ["a CR too many", "\r\r\n"],
      ])("%s: refused", async (_what, lines) => {
        using wire = await Wire.open(served.agent.http);
        wire.socket.write(`${lines}GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n`);
        expect((await wire.rest()).bytes.toString()).toMatch(/^HTTP\/1\.1 400 /);
      });
    });
  },
);
