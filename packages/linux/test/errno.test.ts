import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { Errno, errnoName } from "../src/errno.ts";
import { errnoMessage } from "../src/errno-messages.ts";
import { check, SystemError } from "../src/system-error.ts";

describe("the errno table", () => {
  test("agrees with the table that Node was built with", () => {
    for (const [name, number] of Object.entries(constants.errno)) {
      expect([name, (Errno as Record<string, number>)[name]]).toEqual([name, number]);
    }
  });

  test("names a number by its first name, negative or positive", () => {
    expect(errnoName(Errno.ECONNREFUSED)).toBe("ECONNREFUSED");
    expect(errnoName(-11)).toBe("EAGAIN");
    expect(errnoName(95)).toBe("EOPNOTSUPP");
  });

  test("has a sentence for every name, and an answer for numbers that are none", () => {
    for (const number of Object.values(Errno)) expect(errnoMessage(number)).not.toMatch(/^Unknown/);
    expect(errnoName(4000)).toBe("E4000");
    expect(errnoMessage(4000)).toBe("Unknown error 4000");
  });
});

describe("check", () => {
  test("gives back what did not fail", () => {
    expect(check(7, "read")).toBe(7);
  });

  test("throws what failed, with a code, the call and the path", () => {
    const failing = () => check(-Errno.EADDRINUSE, "bind", "/run/x.sock");
    expect(failing).toThrow(SystemError);
    expect(failing).toThrow(
      expect.objectContaining({
        code: "EADDRINUSE",
        errno: -98,
        syscall: "bind",
        path: "/run/x.sock",
        message: 'bind "/run/x.sock": Address already in use (EADDRINUSE)',
      }),
    );
  });
});
