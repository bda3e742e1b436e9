import { networkInterfaces } from "node:os";
import { parseIp } from "@ringway/control";
import { describe, expect, test } from "vitest";
import { Errno, Routes } from "../src/index.ts";

const others = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal }) => !internal)
  .map(({ address }) => address);

describe("the routing tables", () => {
  test.each(["127.0.0.1", "127.1.2.3", "::1", ...others])("say that %s is here", (text) => {
    using routes = new Routes();
    expect(routes.leadsHere(parseIp(text)!)).toBe(1);
  });

  // Documentation's, and the IPv6 one without a route on most machines: both are elsewhere.
  test.each(["192.0.2.1", "2001:db8::1", "8.8.8.8"])("say that %s is not", (text) => {
    using routes = new Routes();
    expect(routes.leadsHere(parseIp(text)!)).toBe(0);
  });

  test("answer each question with its own answer", () => {
    using routes = new Routes();
    for (let i = 0; i < 1000; i++) {
      expect(routes.leadsHere(parseIp("127.0.0.1")!)).toBe(1);
      expect(routes.leadsHere(parseIp("192.0.2.1")!)).toBe(0);
    }
  });

  test("say nothing once they are closed", () => {
    const routes = new Routes();
    routes[Symbol.dispose]();
    expect(routes.leadsHere(parseIp("127.0.0.1")!)).toBe(-Errno.EBADF);
  });
});
