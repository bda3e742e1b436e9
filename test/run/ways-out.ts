// What gets a program out of `ringway run`: test/fixtures/escapes.py tries all of it, and none may do. For the tests of
// each way in which one runs.

import { createServer } from "node:net";
import { beforeAll, describe, expect, test } from "vitest";
import type { Hold } from "../support/held.ts";
import type { Inside } from "./inside.ts";

/** `inside` has a folder to write in at /project; `sticky`: what becomes of that bit there. */
export function triesToGetOut(inside: () => Inside, hold: Hold, sticky = "done"): void {
  describe("a program that tries to get out", () => {
    let tried: Record<string, unknown>;
    beforeAll(async () => {
      const name = `ringway-test-${process.pid}`;
      const socket = createServer().listen(`\0${name}`);
      hold({ [Symbol.dispose]: () => void socket.close() });
      const { out, err } = await inside().run("python3", "/fixtures/escapes.py", name);
      expect(err).toBe("");
      tried = JSON.parse(out) as Record<string, unknown>;
    });
    const ends = (prefix: string): Record<string, unknown> =>
      Object.fromEntries(Object.entries(tried).filter(([what]) => what.startsWith(prefix)));

    test("makes no namespace and no mount, and calls nothing that a kernel seldom needs", () => {
      const absent =
        /^call (clone3|openat2|open_tree|open_tree_attr|move_mount|fs.*|mount_setattr|io_uring_.*)$/;
      for (const [what, how] of Object.entries(ends("call "))) {
        expect([what, how]).toEqual([what, absent.test(what) ? "ENOSYS" : "EPERM"]);
      }
      expect(Object.keys(ends("call "))).toHaveLength(process.arch === "x64" ? 59 : 53);
    });

    test("enters the kernel by no other machine's numbers", () => {
      if (process.arch !== "x64") return expect(ends("entry ")).toEqual({});
      // A kernel may know neither of them.
      expect(ends("entry ")).toEqual({
        "entry of x32": "ENOSYS",
        "entry of i386": expect.stringMatching(/^SIG(SYS|SEGV)$/),
      });
    });

    test("has no raw sockets, and no kinds of sockets beside the network, Unix and routes", () => {
      expect(ends("socket ")).toEqual({
        "socket raw IPv4": "EPERM",
        "socket raw IPv6": "EPERM",
        "socket packets": "EAFNOSUPPORT",
        "socket vsock": "EAFNOSUPPORT",
        "socket alg": "EAFNOSUPPORT",
        "socket nf_tables": "EPROTONOSUPPORT",
        "socket audit": "EPROTONOSUPPORT",
        "socket SCTP": "EPROTONOSUPPORT",
        "socket MPTCP": "EPROTONOSUPPORT",
        "socket pair of IPv4": "EAFNOSUPPORT",
      });
    });

    test("makes no program that others would run as its user", () => {
      const ways = Object.values(ends("set-id"));
      expect(ways).toEqual(ways.map(() => "EPERM"));
      expect(ways).toHaveLength(12);
      expect(tried.sticky).toBe(sticky);
    });

    test("changes nothing of its network, and is not taken for the agent", () => {
      expect(ends("netlink")).toEqual({
        "netlink: an address": "EPERM",
        "netlink: a route": "EPERM",
        "netlink: lo down": "EPERM",
      });
      expect(ends("the agent's mark")).toEqual({ "the agent's mark": "EPERM" });
      expect(ends("a transparent")).toEqual({ "a transparent socket": "EPERM" });
    });

    test("reaches no abstract socket of the host", () => {
      expect(ends("an abstract")).toEqual({ "an abstract socket of the host": "ECONNREFUSED" });
    });

    test("looks into no process but its own: not the first one, not the agent", () => {
      expect(ends("/proc")).toEqual({
        "/proc/1/fd/0": "EACCES",
        "/proc/1/root": "EACCES",
        "/proc/1/mem": "EACCES",
        "/proc/1/environ": "EACCES",
        "/proc/1/maps": "EACCES",
      });
      expect(tried.processes).toEqual(["init", "python3", "python3"]);
      expect(tried.descriptors).toEqual([0, 1, 2]);
    });

    test("writes neither settings of the kernel, nor system folders, nor the root", () => {
      for (const what of ["a setting of the kernel", "a file in /usr", "a file in /"]) {
        expect([what, tried[what]]).toEqual([what, expect.stringMatching(/^(EROFS|EACCES)$/)]);
      }
      expect(tried.sysrq).toMatch(/^(EROFS|EACCES|ENOENT)$/); // not every kernel has it
      expect(tried["a device"]).toBe("EPERM");
      expect(tried["typing for the terminal"]).toBe("EPERM");
    });

    test("has no capability and gets none, and a filter of system calls", () => {
      const none = "0000000000000000";
      expect(tried.status).toEqual({
        CapInh: none,
        CapPrm: none,
        CapEff: none,
        CapBnd: none,
        CapAmb: none,
        NoNewPrivs: "1",
        Seccomp: "2",
      });
    });
  });
}
