import { expect, test } from "vitest";
import { parseResolvConf } from "../src/names/resolv-conf.ts";

const USUAL = { servers: ["127.0.0.1"], timeoutMs: 5000, attempts: 2 };

test.each([
  ["", USUAL],
  ["# nameserver 192.0.2.1\n; nameserver 192.0.2.2\n", USUAL],
  [
    "nameserver 192.0.2.1\nnameserver\t2001:db8::1 # second\n  nameserver 192.0.2.3\nnameserver 192.0.2.4\n",
    { ...USUAL, servers: ["192.0.2.1", "2001:db8::1", "192.0.2.3"] },
  ],
  ["nameserver fe80::1%eth0\nnameserver ns.example.com\nnameserver\n", USUAL],
  ["options ndots:5 timeout:3 rotate\noptions attempts:4\n", { ...USUAL, timeoutMs: 3000, attempts: 4 }],
  ["options timeout:0 attempts:99 timeout:x\n", { ...USUAL, timeoutMs: 1000, attempts: 5 }],
  ["options timeout:9999\n", { ...USUAL, timeoutMs: 30_000 }],
  ["search example.com\ndomain example.com\nsortlist 130.155.160.0\n", USUAL],
])("resolv.conf %j", (text, expected) => {
  expect(parseResolvConf(text)).toEqual(expected);
});
