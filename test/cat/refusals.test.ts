// What ringway cat refuses: options that would do nothing where they stand.

import { describe, expect, test } from "vitest";
import type { CatOptions } from "../../packages/cli/src/cat/options.ts";
import { refuse } from "../../packages/cli/src/cat/refusals.ts";
import { optionsOf, type TypedCat } from "../../packages/cli/src/cat/typed.ts";
import { tcpClient, tcpServer } from "../support/tcp.ts";
import { cat, ended, portsOf } from "./cats.ts";

const NONE: TypedCat = { listenOnce: [], listen: [], forward: "none", slow: "pace" };
const AT = "127.0.0.1:1";
const PAIRS: Partial<TypedCat> = { forward: "channels", pair: "listen:connect", listenOnce: [AT] };

function accepted(words: string[], typed: TypedCat): CatOptions {
  const options = optionsOf(words, typed);
  refuse(options, typed);
  return options;
}

describe("refused is", () => {
  test.each<[string, Partial<TypedCat>, string[]]>([
    ["--tls-pin", { tlsPin: "0".repeat(64) }, [AT]],
    ["--tls-pin", { tlsPin: "0".repeat(64), listen: ["tls:127.0.0.1:2"] }, [AT]],
    ["--tls-ca", { tlsCa: "ca.pem" }, [AT]],
    ["--tls-name", { tlsName: "a" }, [AT]],
    ["--tls-cert", { tlsCert: "c.pem", tlsKey: "k.pem", listen: [AT] }, ["tls:127.0.0.1:2"]],
    ["--chunk 65508", { udp: true, chunk: 65_508 }, [AT]],
    ["--sizes 70000", { udp: true, sizes: [1, 70_000] }, [AT]],
    ["--sizes 0", { sizes: [0, 0], input: "random" }, [AT]],
    ["-4", { ipv4: true }, ["[::1]:80"]],
    ["-6", { ipv6: true, listen: [AT] }, []],
    ["SOURCE=TARGET", { attach: "m.sock", retry: true }, [`127.0.0.2=${AT}`]],
    ["--send-buffer", { attach: "m.sock", sendBuffer: 10_000 }, [AT]],
    ["-r and -R", { ...PAIRS, retry: true }, [AT]],
    ["xN", PAIRS, [`${AT}x2`]],
  ])("%s", (why, typed, words) => {
    expect(() => accepted(words, { ...NONE, ...typed })).toThrow(why);
  });

  test.each<[string, Partial<TypedCat>, string[]]>([
    ["-4 and -6 together", { ipv4: true, ipv6: true }, ["[::1]:80", AT]],
    ["a pin for one TLS target of two", { tlsPin: "0".repeat(64) }, [`tls:${AT}`, AT]],
    ["empty datagrams", { udp: true, sizes: [0, 0], input: "random" }, [AT]],
  ])("not %s", (_, typed, words) => {
    expect(accepted(words, { ...NONE, ...typed }).targets.length).toBe(words.length);
  });
});

test("--pair listen:connect to who is not there is a failure", async () => {
  const gone = await tcpServer();
  await gone[Symbol.asyncDispose]();
  const target = `127.0.0.1:${gone.port}`;
  const pairs = cat(["-f", "channels", "--pair", "listen:connect", "-l", "127.0.0.1:0", target], "");
  const [port] = await portsOf(pairs);
  await tcpClient(port!);
  expect((await ended(pairs)).code).toBe(1);
  expect(pairs.errors).toContain("ECONNREFUSED");
});
