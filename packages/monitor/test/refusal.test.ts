// What a guest is told of a refusal, and what the audit log has of it.

import { Errno, encodeUtf8, Protocol, type Refusal } from "@ringway/control";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { denial, isDenial, refusal, shorten, told } from "../src/policy/refusal.ts";

const GUEST = { name: "worker" };
const DENIED = {
  errno: Errno.EACCES,
  rule: "metadata",
  reason: "connecting to 169.254.169.254:80 is denied",
};

describe("a denial", () => {
  it("says what was denied to whom, in the order of an audit line", () => {
    const entry = denial(GUEST, Protocol.TCP_CONNECT, "169.254.169.254:80", DENIED);
    expect(isDenial(entry)).toBe(true);
    expect(Object.keys(entry)).toEqual(["kind", "guest", "protocol", "what", "rule", "reason", "errno"]);
    expect(entry).toEqual({
      kind: "refused",
      guest: "worker",
      protocol: "tcp-connect",
      what: "169.254.169.254:80",
      ...DENIED,
    });
  });

  it("takes nothing else along of what decided", () => {
    const decision = { allowed: false, ruleIndex: 3, name: "a.test", ...DENIED } as const;
    expect(Object.keys(denial(GUEST, Protocol.FS, "/data", decision))).toHaveLength(7);
  });

  it("is told with its rule and its reason, or with its errno alone where the policy hides them", () => {
    const entry = denial(GUEST, Protocol.FS, "/data", DENIED);
    expect(told(entry, { refusals: "explain" })).toEqual(DENIED);
    expect(told(entry, { refusals: "hide" })).toEqual({ errno: Errno.EACCES, rule: "", reason: "" });
  });
});

describe("a refusal by no rule", () => {
  it("is no denial, and is told also where the policy hides its rules", () => {
    const limit = refusal(Errno.EMFILE, "64 files are open, the most that the policy allows");
    expect(isDenial(limit)).toBe(false);
    expect(isDenial({ ...limit, guest: "worker" } as Refusal)).toBe(false);
    for (const refusals of ["explain", "hide"] as const) expect(told(limit, { refusals })).toEqual(limit);
  });
});

it("a sentence is cut at a character to what the smallest ring takes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 700 }), (text) => {
      const short = shorten(text);
      expect(encodeUtf8(short).length).toBeLessThanOrEqual(1024);
      if (encodeUtf8(text).length <= 1024) expect(short).toBe(text);
      else expect(text.startsWith(short.slice(0, -3)) && short.endsWith("...")).toBe(true);
    }),
  );
});
