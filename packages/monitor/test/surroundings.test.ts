// Whether an address is this host's, also where the routing tables cannot be asked (a filter of system calls, no
// descriptor left).

import { expect, test } from "vitest";
import { parseAddress } from "../src/policy/networks.ts";
import { HostSurroundings } from "../src/thread/host-surroundings.ts";

const HERE = ["127.0.0.1", "127.1.2.3", "::1"];
const ELSEWHERE = ["192.0.2.1", "8.8.8.8", "2001:db8::1"];

test.each([
  ["as the routing tables say", () => new HostSurroundings()],
  [
    "as a bind tells, where they say nothing",
    () => {
      const closed = new HostSurroundings();
      closed[Symbol.dispose]();
      return closed;
    },
  ],
])("an address is the host's own %s", (_, make) => {
  using surroundings = make();
  const own = (text: string): boolean => surroundings.isOwn(parseAddress(text)!);
  expect(HERE.filter(own)).toEqual(HERE);
  expect(ELSEWHERE.filter(own)).toEqual([]);
});
