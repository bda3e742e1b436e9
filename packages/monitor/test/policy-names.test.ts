import { Errno } from "@ringway/control";
import { nearest } from "@ringway/linux";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeName, normalizePattern } from "../src/policy/names.ts";
import { splitPath } from "../src/policy/paths.ts";
import { parsePorts } from "../src/policy/ports.ts";
import { formatSize, parseSize } from "../src/policy/sizes.ts";
import { quoted } from "../src/policy/text.ts";
import { includesPort, matchesPattern } from "./naive-matcher.ts";

describe("names", () => {
  it.each([
    ["example.com", "example.com"],
    ["EXAMPLE.Com.", "example.com"],
    ["localhost", "localhost"],
    ["_http._tcp.example.com", "_http._tcp.example.com"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["1.2.3.4.example", "1.2.3.4.example"],
    ["3com.com", "3com.com"],
    [`${"a".repeat(63)}.b`, `${"a".repeat(63)}.b`],
    [`${"abcdefg.".repeat(31)}abcde.`, `${"abcdefg.".repeat(31)}abcde`],
  ])("%s is a name", (text, name) => {
    expect(normalizeName(text)).toEqual({ name });
  });

  it("is the same name however often it is asked for, and whatever was asked for between", () => {
    const spellings = ["twice.example", "Twice.EXAMPLE", "TWICE.example."];
    // More than are remembered.
    for (const between of [0, 300]) {
      for (const spelling of [...spellings, ...spellings]) {
        expect(normalizeName(spelling)).toEqual({ name: "twice.example" });
      }
      for (let i = 0; i < between; i++) expect(normalizeName(`N${i}.test`)).toEqual({ name: `n${i}.test` });
      for (const spelling of spellings) expect(normalizeName(spelling)).toEqual({ name: "twice.example" });
    }
    for (let i = 0; i < 2; i++) {
      expect(normalizeName("not..twice")).toEqual({ problem: expect.stringContaining("empty label") });
    }
  });

  it.each([
    ["", "is empty"],
    [".", "empty label"],
    ["a..b", "empty label"],
    [".a", "empty label"],
    ["a.b..", "empty label"],
    ["-a.b", "hyphen"],
    ["a-.b", "hyphen"],
    ["a b", "which names do not have"],
    ["a\0.example.com", "which names do not have"],
    ["a\n", "which names do not have"],
    ["bücher.example", "which names do not have: give its xn-- form"],
    ["\u212aelvin.example", "which names do not have"],
    ["a。b", "which names do not have"],
    ["a@b", "which names do not have"],
    ["*.example.com", "which names do not have"],
    ["[::1]", "which names do not have"],
    ["fe80::1%eth0", "which names do not have"],
    ["127.0.0.1", "is an address"],
    ["::1", "is an address"],
    ["::ffff:127.0.0.1", "is an address"],
    ["127.1", "ends in a number"],
    ["2130706433", "ends in a number"],
    ["0x7f000001", "ends in a number"],
    ["127.0.0.0x1", "ends in a number"],
    ["127.0.0.1.", "ends in a number"],
    ["0177.0.0.01", "ends in a number"],
    [`${"a".repeat(64)}.b`, "longer than 63"],
    [`${"abcdefg.".repeat(31)}abcdef`, "longer than 253"],
    ["a".repeat(100_000), "longer than 253"],
  ])("%j is none", (text, problem) => {
    expect(normalizeName(text)).toMatchObject({ problem: expect.stringContaining(problem) });
  });
});

describe("name patterns", () => {
  it.each([
    ["*.example.com", "a.example.com", true],
    ["*.example.com", "a.b.example.com", true],
    ["*.example.com", "example.com", false],
    ["*.example.com", "badexample.com", false],
    ["*.example.com", "a.example.com.evil.org", false],
    ["example.com", "example.com", true],
    ["example.com", "a.example.com", false],
    ["*", "anything.at.all", true],
    ["*", "localhost", true],
    ["*.com", "example.com", true],
  ])("%s and %s: %s", (pattern, name, matches) => {
    expect(matchesPattern(pattern, name)).toBe(matches);
  });

  it("match as a comparison of labels does", () => {
    const label = fc.constantFrom("a", "b", "ab", "x-y");
    const labels = fc.array(label, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(labels, fc.boolean(), labels, (pattern, wild, name) => {
        const tail = name.slice(-pattern.length).join(".") === pattern.join(".");
        const expected = tail && (wild ? name.length > pattern.length : name.length === pattern.length);
        expect(matchesPattern((wild ? "*." : "") + pattern.join("."), name.join("."))).toBe(expected);
      }),
    );
  });

  it("are normalized as names are", () => {
    expect(normalizePattern("*.Example.COM.")).toEqual({ name: "*.example.com" });
  });

  it.each(["*.", "*.*", "a.*", "a*.b", "**", "*a", "*.1.2.3.4", "*..a", ""])("%j is none", (text) => {
    expect(normalizePattern(text)).toHaveProperty("problem");
  });
});

describe("ports", () => {
  it("a list of ranges includes what a walk over all its ports says", () => {
    const range = fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(60));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 4 }), (ranges) => {
        const all = new Set<number>();
        const parsed = ranges.map(([first, more]) => {
          for (let port = first; port <= first + more; port++) all.add(port);
          const result = parsePorts(more === 0 ? first : `${first}-${first + more}`, 1);
          return (result as { range: { first: number; last: number } }).range;
        });
        for (let port = 0; port < 400; port++) expect(includesPort(parsed, port)).toBe(all.has(port));
      }),
    );
  });

  it.each([
    "65536",
    "99999",
    "2-1",
    "1-65536",
    "0",
    "0-10",
    "-1",
    "1-",
    "1-2-3",
    "http",
    "",
    " 1",
    "1.5",
    "0x50",
  ])("%j is no port to connect to", (entry) => {
    expect(parsePorts(entry, 1)).toHaveProperty("problem");
  });

  it("0 is a port to listen on by itself, and begins no range", () => {
    expect(parsePorts(0, 0)).toEqual({ range: { first: 0, last: 0 } });
    expect(parsePorts("0-10", 0)).toEqual({
      problem: 'expected a range from 1 (0, a port that the host picks, goes by itself); found "0-10"',
    });
  });
});

describe("sizes", () => {
  it.each([
    [0, 0],
    ["0", 0],
    [4096, 4096],
    ["4096", 4096],
    ["4KiB", 4096],
    ["1MiB", 1048576],
    ["2GiB", 2147483648],
    ["8388607GiB", 8388607 * 2 ** 30],
    ["8388608GiB", undefined],
    ["1MB", undefined],
    ["1 MiB", undefined],
    ["1.5MiB", undefined],
    ["-1", undefined],
    ["", undefined],
    ["unlimited", undefined],
  ])("%j is %s bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it("survive formatting and parsing", () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(formatSize(bytes)) === bytes));
    expect(formatSize(256 * 2 ** 20)).toBe("256MiB");
  });
});

describe("paths", () => {
  it.each([
    ["/", []],
    ["//", []],
    ["/a", ["a"]],
    ["/a/", ["a"]],
    ["//a/./b//", ["a", "b"]],
    ["/...", ["..."]],
    ["/a..", ["a.."]],
    [`/${"a".repeat(255)}`, ["a".repeat(255)]],
    [`/${"é".repeat(127)}`, ["é".repeat(127)]],
  ])("%s has the components %j", (path, components) => {
    expect(splitPath(path)).toEqual({ components });
  });

  it.each([
    ["", "EINVAL"],
    ["a", "EINVAL"],
    ["./a", "EINVAL"],
    ["/a\0b", "EINVAL"],
    ["/..", "EACCES"],
    ["/a/../b", "EACCES"],
    ["/a/..", "EACCES"],
    [`/${"a".repeat(256)}`, "ENAMETOOLONG"],
    [`/${"é".repeat(128)}`, "ENAMETOOLONG"],
    ["/a".repeat(2048), "ENAMETOOLONG"],
  ])("%j is refused with %s", (path, errno) => {
    expect(splitPath(path)).toMatchObject({ errno: Errno[errno as keyof typeof Errno] });
  });

  it("may be 4095 bytes long", () => {
    expect(splitPath(`${"/a".repeat(2047)}/`)).toHaveProperty("components");
  });
});

describe("text in messages", () => {
  it("shows no control character, escape sequence or bidirectional override as it is", () => {
    expect(quoted('a\u001b[31m"\n\u202e\u2028\ud800é\\')).toBe(
      '"a\\u{1b}[31m\\"\\u{a}\\u{202e}\\u{2028}\\u{d800}é\\\\"',
    );
  });

  it("is bounded", () => {
    expect(quoted("x".repeat(10_000)).length).toBeLessThan(300);
  });

  it("suggests the nearest key, or none", () => {
    const known = ["allow", "deny", "ports", "resolvesTo"];
    expect(nearest("prots", known)).toBe("ports");
    expect(nearest("Allow", known)).toBe("allow");
    expect(nearest("resolves_to", known)).toBe("resolvesTo");
    expect(nearest("comment", known)).toBeUndefined();
  });
});
