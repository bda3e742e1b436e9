import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { MAX_STREAM_ID } from "@ringway/control";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { readPolicy } from "../src/loading/policy-file.ts";
import {
  BUILT_IN_RULES,
  DEFAULT_LIMITS,
  DEFAULT_RATES,
  DEFAULT_TIMEOUTS,
  PolicyError,
  parsePolicy,
} from "../src/policy/index.ts";

const FILE = "/etc/ringway/policy.yaml";
const policySchema = (): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL("../policy.schema.json", import.meta.url), "utf8"));
const parse = (text: string): ReturnType<typeof parsePolicy> => parsePolicy(text, { file: FILE });

function errorOf(run: () => unknown): PolicyError {
  try {
    run();
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  throw new Error("expected a PolicyError");
}

const FULL = `version: 1
guest:
  argv: [worker, --once]
  env: { MODE: demo }
refusals: hide
audit: required
connect:
  - id: web
    allow: "*.Example.com"
    ports: [443, 8000-8100]
  - allow: [internal.test, 10.0.0.0/8, "::ffff:192.0.2.0/120"]
    ports: 80
    resolvesTo: 10.1.0.0/16
  - deny: [10.0.0.0/8, "FD00::/8"]
listen:
  - allow: 127.0.0.1
    ports: [0, 8000-8999]
files:
  - guest: /data/
    host: ./data
    access: rw
limits:
  streams: 100
  regionBytes: 64MiB
  streamBytes: 65536
  accepts: 0
  openFiles: 1
  fileBytesWritten: 2GiB
timeouts:
  connectMs: 1000
`;

describe("a good policy", () => {
  it("becomes plain data: normalized, with defaults filled in", () => {
    expect(parse(FULL)).toEqual({
      version: 1,
      guest: { argv: ["worker", "--once"], env: { MODE: "demo" } },
      refusals: "hide",
      audit: "required",
      audited: "all",
      connect: [
        {
          id: "web",
          action: "allow",
          protocols: ["tcp"],
          names: ["*.example.com"],
          networks: [],
          ports: [
            { first: 443, last: 443 },
            { first: 8000, last: 8100 },
          ],
          resolvesTo: [],
        },
        {
          id: "connect[1]",
          action: "allow",
          protocols: ["tcp"],
          names: ["internal.test"],
          networks: ["10.0.0.0/8", "192.0.2.0/24"],
          ports: [{ first: 80, last: 80 }],
          resolvesTo: ["10.1.0.0/16"],
        },
        {
          id: "connect[2]",
          action: "deny",
          protocols: ["tcp", "udp"],
          names: [],
          networks: ["10.0.0.0/8", "fd00::/8"],
          ports: [{ first: 1, last: 65535 }],
          resolvesTo: [],
        },
      ],
      listen: [
        {
          id: "listen[0]",
          action: "allow",
          protocols: ["tcp"],
          networks: ["127.0.0.1"],
          ports: [
            { first: 0, last: 0 },
            { first: 8000, last: 8999 },
          ],
        },
      ],
      files: [
        {
          id: "files[0]",
          guest: "/data",
          host: "/etc/ringway/data",
          access: "rw",
          crossMounts: false,
          xattrs: [],
        },
      ],
      sockets: [],
      vms: [],
      hosts: { "host.ringway": ["127.0.0.1", "::1"] },
      run: { system: ["default"] },
      limits: {
        guests: 64,
        regionBytesTotal: 64 * 64 * 2 ** 20,
        streams: 100,
        regionBytes: 64 * 2 ** 20,
        streamBytes: 65536,
        socketBytes: 64 * 2 ** 20,
        accepts: 0,
        openFiles: 1,
        fileBytesWritten: 2 * 2 ** 30,
        networkBytes: Number.MAX_SAFE_INTEGER,
        requests: 1024,
        diskOperations: 10_000,
        bells: 20_000,
        logLines: 1000,
        logBytes: 256 * 1024,
        auditBytes: 1024 * 1024,
      },
      rates: DEFAULT_RATES,
      timeouts: { connectMs: 1000, resolveMs: 10_000, attachMs: 10_000, udpIdleMs: 120_000 },
    });
  });

  it("may be version: 1 alone, which allows nothing", () => {
    expect(parse("version: 1")).toEqual({
      version: 1,
      guest: { argv: [], env: {} },
      refusals: "explain",
      audit: "best-effort",
      audited: "all",
      connect: [],
      listen: [],
      files: [],
      sockets: [],
      vms: [],
      hosts: { "host.ringway": ["127.0.0.1", "::1"] },
      run: { system: ["default"] },
      limits: DEFAULT_LIMITS,
      rates: DEFAULT_RATES,
      timeouts: DEFAULT_TIMEOUTS,
    });
  });

  it("has what a program of ringway run sees of the system", () => {
    const { run } = parse("version: 1\nrun: { system: [default, /opt/jdk/., /srv//data/] }");
    expect(run).toEqual({ system: ["default", "/opt/jdk", "/srv/data"] });
  });

  it.each([
    ["[/opt/../etc]", "run.system[0]: expected an absolute path of the host, or the word default; "],
    ["[/]", 'run.system[0]: expected an absolute path of the host, or the word default; "/" is all of it'],
    ["[opt]", 'run.system[0]: expected an absolute path of the host, or the word default; found "opt"'],
    ["[/opt/$HOME]", '"/opt/$HOME" has "$HOME", which is not expanded'],
    ["/opt", 'run.system: expected a list of absolute paths of the host, or the word default; found "/opt"'],
  ])("has no system of %s for it", (text, message) => {
    expect(() => parse(`version: 1\nrun: { system: ${text} }`)).toThrow(message);
  });

  it("has rates, each with its burst, and a budget of bytes", () => {
    const { rates, limits } = parse(`version: 1
limits: { networkBytes: 1GiB }
rates: { bytesToHost: 1MiB, bytesToHostBurst: 64KiB, bytesToGuest: 4096, connections: 5, datagrams: unlimited }
`);
    expect(limits.networkBytes).toBe(2 ** 30);
    expect(rates).toEqual({
      ...DEFAULT_RATES,
      bytesToHost: { perSecond: 2 ** 20, burst: 65_536 },
      bytesToGuest: { perSecond: 4096, burst: 4096 },
      connections: { perSecond: 5, burst: 5 },
    });
  });

  it.each([
    ["bytesToHost: 1KiB", 'rates.bytesToHost: expected a size from 2KiB to 1024GiB, found "1KiB"'],
    ["bytesToHostBurst: 4KiB", 'rates.bytesToHostBurst: goes only with a limit in "bytesToHost"'],
    ["connections: 0", "rates.connections: expected unlimited or a whole number from 1 to 1048576, found 0"],
    ["lookups: many", 'rates.lookups: expected unlimited or a whole number from 1 to 1048576, found "many"'],
    ["packets: 5", 'rates: unknown key "packets"; expected one of bytesToHost, '],
  ])("has no rate of %s", (text, message) => {
    expect(() => parse(`version: 1\nrates: { ${text} }`)).toThrow(message);
  });

  it("takes ports and sizes in quotes, as without, and no other number", () => {
    const policy = (quote: string): string => {
      const of = (text: string): string => `${quote}${text}${quote}`;
      return `version: 1
connect: [{ allow: a, ports: [${of("443")}, ${of("8000-8100")}] }, { allow: b, ports: ${of("80")} }]
listen: [{ allow: 127.0.0.1, ports: ${of("0")} }]
limits: { socketBytes: ${of("2097152")}, fileBytesWritten: ${of("4096")} }
rates: { bytesToHost: ${of("4096")} }
vms: [{ name: web, memory: a, doorbell: b, size: ${of("16777216")} }]
`;
    };
    expect(parse(policy('"'))).toEqual(parse(policy("")));
    for (const [key, other] of [
      ["version", 'version: "1"'],
      ["limits.streams", 'version: 1\nlimits: { streams: "5" }'],
      ["rates.connections", 'version: 1\nrates: { connections: "5" }'],
      ["timeouts.connectMs", 'version: 1\ntimeouts: { connectMs: "5" }'],
      [
        "files[0].owner.uid",
        'version: 1\nfiles: [{ guest: /a, host: a, access: rw, owner: { uid: "5", gid: 5 } }]',
      ],
    ]) {
      expect(() => parse(other!)).toThrow(`${key}: expected `);
    }
  });

  it("names VMs, relative to its folder", () => {
    const text = `version: 1
vms:
  - { name: web, memory: web.mem, doorbell: run/web.sock, size: 16MiB }
  - { name: db, memory: /dev/shm/db, doorbell: /run/db.sock }
`;
    expect(parse(text).vms).toEqual([
      {
        name: "web",
        memory: "/etc/ringway/web.mem",
        doorbell: "/etc/ringway/run/web.sock",
        memoryBytes: 16 * 1024 * 1024,
      },
      { name: "db", memory: "/dev/shm/db", doorbell: "/run/db.sock", memoryBytes: 64 * 1024 * 1024 },
    ]);
  });

  it("takes folders by names that no shell would expand, whatever is in them", () => {
    for (const host of ["./~", "./~a", "a~", "/mnt/$Recycle.Bin", "$", "a$B", "$a", "a/{b}"]) {
      const text = `version: 1\nfiles: [{ guest: /a, host: "${host}", access: ro }]`;
      expect(parse(text).files[0]!.host, host).toBe(resolve("/etc/ringway", host));
    }
  });

  it("in a small region gets smaller rings", () => {
    expect(parse("version: 1\nlimits: { regionBytes: 1MiB }").limits.streamBytes).toBe(256 * 1024);
    expect(parse("version: 1\nlimits: { regionBytes: 3MiB }").limits.streamBytes).toBe(512 * 1024);
  });

  it("may be JSON, begin with a byte order mark, have CRLF lines, or a %YAML directive that changes nothing", () => {
    expect(parse('{"version": 1}').version).toBe(1);
    expect(parse("\ufeffversion: 1\r\nrefusals: hide\r\n").refusals).toBe("hide");
    expect(parse("%YAML 1.1\n---\nversion: 1\nguest: { argv: [yes, 1:30] }").guest.argv).toEqual([
      "yes",
      "1:30",
    ]);
  });

  it("keeps variables whose names are those of object members", () => {
    const { env } = parse("version: 1\nguest: { env: { __proto__: a, constructor: b } }").guest;
    expect(Object.entries(env)).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
  });
});

const ALIAS = (text: string): string =>
  `expected a value, found an alias: quote it, "${text}" (or, where an alias was meant, write it out)`;

/** The lines below "version: 1", which is line 1; then line, column, path and message of the first problem. */
const BAD: readonly (readonly [text: string, line: number, column: number, message: string])[] = [
  // YAML
  ["a: [", 3, 1, "Flow sequence in block collection must be sufficiently indented and end with a ]"],
  ["\tx: 1", 2, 1, "Tabs are not allowed as indentation"],
  ["connect: []\nconnect: []", 3, 1, 'expected each key once, found "connect" again (first in line 2)'],
  [
    "listen: []\nlimits: { accepts: 1, bells: 100, accepts: 2 }",
    3,
    35,
    'expected each key once, found "accepts" again (first in line 3)',
  ],
  [
    "connect:\n  - allow: a\n    ports: 80\n    allow: b",
    5,
    5,
    'expected each key once, found "allow" again (first in line 3)',
  ],
  ["---\nversion: 1", 2, 1, "expected one document, found a second one"],
  ["guest: &a {}\nlimits: *a", 3, 9, ALIAS("*a")],
  ["connect: [{ allow: *.example.com }]", 2, 20, ALIAS("*.example.com")],
  ["connect:\n  - allow: [a.example, *.example.com]", 3, 24, ALIAS("*.example.com")],
  ["connect:\n  - allow: *", 3, 12, 'expected a value, found an alias without a name: quote it, "*"'],
  ["refusals: !secret hide", 2, 11, "expected no tags: Unresolved tag: !secret"],
  ["refusals: !!binary aGlkZQ==", 2, 11, "expected no tags: Unresolved tag: tag:yaml.org,2002:binary"],
  ["? [a]\n: b", 2, 3, "expected a plain key, found a list or a map as a key"],
  [
    "<<: { refusals: hide }",
    2,
    1,
    'unknown key "<<"; expected one of version, guest, refusals, audit, audited, connect, listen, files, sockets, vms, hosts, run, limits, rates, timeouts',
  ],
  // Structure
  ["refusal: hide", 2, 1, 'unknown key "refusal"; did you mean "refusals"?'],
  [
    "__proto__: 1",
    2,
    1,
    'unknown key "__proto__"; expected one of version, guest, refusals, audit, audited, connect, listen, ' +
      "files, sockets, vms, hosts, run, limits, rates, timeouts",
  ],
  ["refusals: explian", 2, 11, 'refusals: expected one of explain, hide; found "explian"'],
  ["connect:", 2, 1, "connect: expected a list of connect rules, found nothing"],
  ["connect: { allow: a }", 2, 10, "connect: expected a list of connect rules, found a map"],
  ["connect:\n  - example.com", 3, 5, 'connect[0]: expected a map with allow or deny, found "example.com"'],
  ["connect:\n  -", 3, 4, "connect[0]: expected a map with allow or deny, found nothing"],
  ["connect:\n  - ports: 80", 3, 5, 'connect[0]: expected either "allow" or "deny", found neither'],
  ["connect:\n  - allow: a\n    deny: b", 3, 5, 'connect[0]: expected either "allow" or "deny", found both'],
  ["connect:\n  - allow: a\n    prots: 80", 4, 5, 'connect[0]: unknown key "prots"; did you mean "ports"?'],
  [
    "connect:\n  - allow: a\n    # what\n    comment: b",
    5,
    5,
    'connect[0]: unknown key "comment"; expected one of id, allow, deny, protocols, ports, resolvesTo',
  ],
  [
    "connect:\n  - allow: a\n    protocols: sctp",
    4,
    16,
    'connect[0].protocols: expected tcp, udp, or a list of them; found "sctp"',
  ],
  [
    "listen:\n  - allow: 127.0.0.1\n    ports: 1\n    protocols: [udp, sctp]",
    5,
    22,
    'listen[0].protocols[1]: expected tcp or udp, found "sctp"',
  ],
  [
    "connect:\n  - allow: a\n    ports: http",
    4,
    12,
    'connect[0].ports: expected a port from 1 to 65535, a range such as 8000-8100, or a list of them; found "http"',
  ],
  [
    "connect:\n  - allow: a\n    ports:\n      - 80\n      - http",
    6,
    9,
    'connect[0].ports[1]: expected a port from 1 to 65535, or a range such as 8000-8100; found "http"',
  ],
  [
    "connect:\n  - allow: a\n    ports: []",
    4,
    12,
    "connect[0].ports: expected a port from 1 to 65535, a range such as 8000-8100, or a list of " +
      "them; found an empty list",
  ],
  [
    "connect:\n  - allow: a\n    ports: 0",
    4,
    12,
    "connect[0].ports: expected a port from 1 to 65535, a range such as 8000-8100, or a list of them; found 0",
  ],
  [
    "connect:\n  - allow: a\n    ports: 65536",
    4,
    12,
    "connect[0].ports: expected a port from 1 to 65535, a range such as 8000-8100, or a list of them; found 65536",
  ],
  [
    "connect:\n  - allow: a\n    ports: .inf",
    4,
    12,
    "connect[0].ports: expected a port from 1 to 65535, a range such as 8000-8100, or a list of them; found Infinity",
  ],
  [
    "connect:\n  - deny: 10.0.0.0/8\n    resolvesTo: 10.0.0.1",
    4,
    5,
    'connect[0]: "resolvesTo" goes only with "allow"',
  ],
  [
    "connect:\n  - { id: 1a, allow: a }",
    3,
    11,
    'connect[0].id: expected a letter, then up to 63 letters, digits, dots, underscores or hyphens; found "1a"',
  ],
  ["listen:\n  - allow: 127.0.0.1", 3, 5, 'listen[0]: expected the key "ports", which is missing'],
  ["files:\n  - guest: /a\n    host: a", 3, 5, 'files[0]: expected the key "access", which is missing'],
  [
    "files:\n  - guest: /a\n    host: a\n    access: rx",
    5,
    13,
    'files[0].access: expected one of ro, rw; found "rx"',
  ],
  [
    "files:\n  - { guest: a, host: a, access: ro }",
    3,
    14,
    'files[0].guest: expected an absolute path, found "a"',
  ],
  // What a shell would expand
  [
    "files:\n  - { guest: /a, host: ~, access: ro }",
    3,
    24,
    "expected a value, found ~, which is nothing in YAML: write a path out",
  ],
  [
    "files:\n  - { guest: /a, host: ~/a, access: ro }",
    3,
    24,
    'files[0].host: expected a folder of the host; "~/a" has "~", which is not expanded: write out what it stands for',
  ],
  [
    "files:\n  - { guest: /a, host: ~a/b, access: ro }",
    3,
    24,
    'files[0].host: expected a folder of the host; "~a/b" has "~a", which is not expanded: write ' +
      "out what it stands for; a name that begins so is written ./~a/b",
  ],
  [
    "files:\n  - { guest: /a, host: /srv/$USER/a, access: ro }",
    3,
    24,
    'files[0].host: expected a folder of the host; "/srv/$USER/a" has "$USER", which is not ' +
      "expanded: write out what it stands for",
  ],
  [
    `files:\n  - { guest: '/a-\${X}', host: a, access: ro }`,
    3,
    14,
    `files[0].guest: expected an absolute path; "/a-\${X}" has "\${X}", which is not expanded: ` +
      `write out what it stands for`,
  ],
  [
    "files:\n  - { guest: ~/a, host: a, access: ro }",
    3,
    14,
    'files[0].guest: expected an absolute path, found "~/a" ("~" is not expanded)',
  ],
  [
    `connect:\n  - allow: a\n    ports: \${PORT}`,
    4,
    12,
    `connect[0].ports: expected a port from 1 to 65535, a range such as 8000-8100, or a list of ` +
      `them; found "\${PORT}" ("\${PORT}" is not expanded)`,
  ],
  [
    "vms:\n  - { name: a, memory: $XDG_RUNTIME_DIR/a, doorbell: b }",
    3,
    24,
    'vms[0].memory: expected a path of the host; "$XDG_RUNTIME_DIR/a" has "$XDG_RUNTIME_DIR", which ' +
      "is not expanded: write out what it stands for",
  ],
  [
    "vms:\n  - { name: a, memory: b, doorbell: $(pwd)/b }",
    3,
    37,
    'vms[0].doorbell: expected a path of the host; "$(pwd)/b" has "$(pwd)", which is not expanded: ' +
      "write out what it stands for",
  ],
  ["vms:\n  - { name: a, memory: b }", 3, 5, 'vms[0]: expected the key "doorbell", which is missing'],
  [
    "vms:\n  - { name: 1a, memory: b, doorbell: c }",
    3,
    13,
    'vms[0].name: expected a letter, then up to 63 letters, digits, dots, underscores or hyphens; found "1a"',
  ],
  [
    "vms:\n  - { name: a, memory: b, doorbell: c, size: 3MiB }",
    3,
    46,
    'vms[0].size: expected a power of two from 1MiB to 4GiB, found "3MiB"',
  ],
  [
    "vms:\n  - { name: a, memory: b, doorbell: c }\n  - { name: a, memory: d, doorbell: e }",
    4,
    13,
    'vms[1].name: another VM is called "a" already',
  ],
  [
    "vms:\n  - { name: a, memory: b, doorbell: c }\n  - { name: d, memory: ./b, doorbell: e }",
    4,
    24,
    "vms[1].memory: this is another VM's memory already",
  ],
  [
    "vms:\n  - { name: a, memory: b, doorbell: c }\n  - { name: d, memory: e, doorbell: ./c }",
    4,
    37,
    "vms[1].doorbell: this is another VM's doorbell already",
  ],
  ["limits:\n  streams: 0", 3, 12, "limits.streams: expected a whole number from 1 to 32767, found 0"],
  ["limits:\n  streams: 1.5", 3, 12, "limits.streams: expected a whole number from 1 to 32767, found 1.5"],
  [
    "limits:\n  regionBytes: 1MB",
    3,
    16,
    "limits.regionBytes: expected a size: a number of bytes, or a number with KiB, MiB or GiB, such " +
      'as 256MiB; found "1MB"',
  ],
  [
    "limits:\n  fileBytesWritten: none",
    3,
    21,
    "limits.fileBytesWritten: expected unlimited or a size: a number of bytes, or a number with " +
      'KiB, MiB or GiB, such as 256MiB; found "none"',
  ],
  [
    "timeouts: { connectMs: 0 }",
    2,
    24,
    "timeouts.connectMs: expected a number of milliseconds from 1 to 3600000, found 0",
  ],
  [
    "guest: { argv: [a, 1] }",
    2,
    20,
    "guest.argv[1]: expected a string (numbers, true and null need quotes); found 1",
  ],
  [
    "guest:\n  env: { A: true }",
    3,
    13,
    "guest.env.A: expected a string (numbers, true and null need quotes); found true",
  ],
  [
    'guest:\n  env: { "A B": 1 }',
    3,
    17,
    'guest.env["A B"]: expected a string (numbers, true and null need quotes); found 1',
  ],
  [
    "guest:\n  env: { a=b: c }",
    3,
    10,
    'guest.env: expected the name of a variable, without "="; found "a=b"',
  ],
  // Meaning
  [
    "connect:\n  - allow: 10.0.0.1/8",
    3,
    12,
    "connect[0].allow: expected a name pattern, an address or a CIDR; 10.0.0.1/8 has bits set below " +
      "its prefix; the network is 10.0.0.0/8",
  ],
  [
    "connect:\n  - allow: [a, 10.0.0.0/33]",
    3,
    16,
    "connect[0].allow[1]: expected a name pattern, an address or a CIDR; the prefix of 10.0.0.0/33 " +
      "must be a number from 0 to 32",
  ],
  [
    "connect:\n  - allow: fe80::1%eth0",
    3,
    12,
    "connect[0].allow: expected a name pattern, an address or a CIDR; an address here may not have a zone id (%...)",
  ],
  [
    "connect:\n  - allow: 127.1",
    3,
    12,
    "connect[0].allow: expected a name pattern, an address, a CIDR, or a list of them; found 127.1",
  ],
  [
    "connect:\n  - allow: 1.2.3",
    3,
    12,
    'connect[0].allow: expected a name pattern, an address or a CIDR; "1.2.3" ends in a number, so ' +
      "it reads as an address, but is not a full one",
  ],
  [
    "connect:\n  - allow: a.*.b",
    3,
    12,
    'connect[0].allow: expected a name pattern, an address or a CIDR; "a.*.b" has a "*" that is not ' +
      "its whole first label (as in *.example.com)",
  ],
  [
    "connect:\n  - allow: https://a.b/",
    3,
    12,
    'connect[0].allow: expected a name pattern, an address or a CIDR; "https://a.b/" is a URL: give ' +
      "its host, and its port in ports",
  ],
  [
    "connect:\n  - allow: a.b:80",
    3,
    12,
    'connect[0].allow: expected a name pattern, an address or a CIDR; "a.b:80" has a port: give it in ports',
  ],
  [
    "connect:\n  - allow: a\n    ports: 9-3",
    4,
    12,
    'connect[0].ports: expected a range that ascends, such as 3-9; found "9-3"',
  ],
  [
    "connect:\n  - allow: a\n    ports: [1, 0-3]",
    4,
    16,
    'connect[0].ports[1]: expected a port from 1 to 65535, or a range such as 8000-8100; found "0-3"',
  ],
  [
    "connect:\n  - allow: a\n    ports: 1-65536",
    4,
    12,
    'connect[0].ports: expected a port from 1 to 65535, or a range such as 8000-8100; found "1-65536"',
  ],
  [
    "connect:\n  - allow: 10.0.0.0/8\n    resolvesTo: 10.0.0.1",
    4,
    17,
    "connect[0].resolvesTo: goes only with names, and this rule allows none",
  ],
  [
    "connect:\n  - allow: a\n    resolvesTo: b",
    4,
    17,
    "connect[0].resolvesTo: expected an address, a CIDR or a group (public, private, loopback, host); " +
      '"b" is not an IPv4 or IPv6 address',
  ],
  [
    "connect:\n  - { id: a, allow: a }\nlisten:\n  - { id: a, allow: '::1', ports: 1 }",
    5,
    11,
    'listen[0].id: expected an id of its own; "a" is that of connect[0]',
  ],
  [
    "connect:\n  - { id: default, allow: a }",
    3,
    11,
    'connect[0].id: expected an id that is no built-in rule\'s, found "default"',
  ],
  [
    "listen:\n  - allow: localhost\n    ports: 80",
    3,
    12,
    'listen[0].allow: expected an address or a CIDR; "localhost" is not an IPv4 or IPv6 address',
  ],
  [
    "listen:\n  - allow: 127.0.0.1\n    ports: 0-80",
    4,
    12,
    'listen[0].ports: expected a range from 1 (0, a port that the host picks, goes by itself); found "0-80"',
  ],
  [
    "files:\n  - { guest: /a/../b, host: a, access: ro }",
    3,
    14,
    'files[0].guest: expected an absolute path; the path "/a/../b" has a ".."',
  ],
  [
    "files:\n  - { guest: /a, host: a, access: ro }\n  - { guest: /a/b, host: b, access: rw }",
    4,
    14,
    "files[1].guest: never matches, because files[0] (/a) stands before it: put the deeper path first",
  ],
  [
    "sockets:\n  - { guest: run/x, host: x, access: connect }",
    3,
    14,
    'sockets[0].guest: expected an absolute path, found "run/x"',
  ],
  [
    "sockets:\n  - { guest: /run/x/, host: x, access: connect }",
    3,
    14,
    'sockets[0].guest: expected the path of a socket; "/run/x/" is that of a folder',
  ],
  [
    "sockets:\n  - { guest: /run/x, host: run/.., access: connect }",
    3,
    28,
    'sockets[0].host: expected the path of a socket; "run/.." is that of a folder',
  ],
  [
    "sockets:\n  - { guest: /run/x, host: ~/x, access: connect }",
    3,
    28,
    'sockets[0].host: expected a socket of the host; "~/x" has "~", which is not expanded: write out what it stands for',
  ],
  [
    `sockets:\n  - { guest: /run/x, host: ${"n".repeat(86)}, access: connect }`,
    3,
    28,
    "sockets[0].host: expected a name of at most 85 bytes, found 86: a socket's path has little room",
  ],
  [
    "sockets:\n  - { guest: /run/x, host: x, access: rw }",
    3,
    39,
    'sockets[0].access: expected one of connect, listen; found "rw"',
  ],
  [
    "sockets:\n  - { guest: /run/x, host: x }",
    3,
    5,
    'sockets[0]: expected the key "access", which is missing',
  ],
  [
    "sockets:\n  - { guest: /run/x, host: x, access: connect }\n  - { guest: /run/x, host: x, access: listen }\n" +
      "  - { guest: /run//./x, host: y, access: connect }",
    5,
    14,
    "sockets[2].guest: never matches, because sockets[0] (line 3) has this path already, for connect: " +
      "only one of the two can hold",
  ],
  ["limits:\n  logBytes: 1KiB", 3, 13, 'limits.logBytes: expected a size from 64KiB to 1GiB, found "1KiB"'],
  [
    "limits:\n  regionBytes: 1KiB",
    3,
    16,
    'limits.regionBytes: expected a size from 1MiB to 4GiB, found "1KiB"',
  ],
  [
    "limits:\n  regionBytes: 1048577",
    3,
    16,
    "limits.regionBytes: expected whole pages of 4KiB, found 1048577",
  ],
  [
    "limits:\n  socketBytes: 1KiB",
    3,
    16,
    'limits.socketBytes: expected a size from 1MiB to 1024GiB, found "1KiB"',
  ],
  ["limits:\n  streamBytes: 5KiB", 3, 16, 'limits.streamBytes: expected a power of two, found "5KiB"'],
  [
    "limits:\n  streamBytes: 32MiB",
    3,
    16,
    'limits.streamBytes: expected a size from 4KiB to 16MiB, found "32MiB"',
  ],
  [
    "limits: { regionBytes: 2MiB, streamBytes: 1MiB }",
    2,
    43,
    'limits.streamBytes: expected at most a quarter of regionBytes (512KiB), found "1MiB"',
  ],
  [`guest: { argv: [${"é".repeat(4097)}] }`, 2, 17, "guest.argv[0]: expected at most 8192 bytes, found 8194"],
  [
    `guest: { argv: [${new Array(8).fill("x".repeat(8192)).join(", ")}] }`,
    2,
    8,
    "guest: expected at most 64512 bytes of argv and env together (counting 8 more for each), found 65600",
  ],
];

describe("a bad policy", () => {
  it.each(BAD.map((bad) => [JSON.stringify(bad[0]).slice(0, 80), ...bad] as const))(
    "%s",
    (_, text, line, column, message) => {
      const error = errorOf(() => parse(`version: 1\n${text}\n`));
      expect(error.message).toBe(`${FILE}:${line}:${column}: ${message}`);
      expect(error).toMatchObject({
        name: "PolicyError",
        code: "ERR_RINGWAY_POLICY",
        file: FILE,
        line,
        column,
      });
      expect(error.problems).toHaveLength(1);
    },
  );

  it.each([
    ["", "expected a map of policy keys, beginning with version: 1; found nothing"],
    ["# nothing", "expected a map of policy keys, beginning with version: 1; found nothing"],
    ["[]", "expected a map of policy keys, beginning with version: 1; found an empty list"],
    ["text", 'expected a map of policy keys, beginning with version: 1; found "text"'],
    ["connect: []", 'expected the key "version", which is missing'],
  ])("%j", (text, message) => {
    const error = errorOf(() => parse(text));
    expect(error.problems.map((problem) => problem.message)).toEqual([message]);
    expect([error.line, error.column]).toEqual([1, 1]);
  });

  it("of another version says so", () => {
    expect(errorOf(() => parse("\ufeffversion: 2")).column).toBe(10);
    expect(errorOf(() => parse("version: 2")).message).toBe(`${FILE}:1:10: version: expected 1, found 2`);
  });

  it("lists all its problems in the file's order, structure and meaning together", () => {
    const error = errorOf(() =>
      parse(
        [
          "version: 1",
          "connect:",
          "  - allow: [a, 10.0.0.1/8]",
          "    prots: 80",
          "    ports: [http, 9-3]",
          "  - allow: example.com",
          "    resolvesTo: nowhere",
          "refusals: loud",
        ].join("\n"),
      ),
    );
    expect(error.problems.map(({ line, column, path }) => [line, column, path])).toEqual([
      [3, 16, "connect[0].allow[1]"],
      [4, 5, "connect[0]"],
      [5, 13, "connect[0].ports[0]"],
      [5, 19, "connect[0].ports[1]"],
      [7, 17, "connect[1].resolvesTo"],
      [8, 11, "refusals"],
    ]);
    expect(error.message).toMatch(/ \(and 5 more\)$/);
    expect(error.report().split("\n")).toHaveLength(6);
  });

  it("that is nested without end is a problem, not a crash", () => {
    for (const text of [
      "[".repeat(100_000),
      `${"[".repeat(5_000)}${"]".repeat(5_000)}`,
      "{a: ".repeat(20_000),
    ]) {
      expect(errorOf(() => parse(text)).problems.length).toBeGreaterThan(0);
    }
  });

  it.each([
    ["wrong rules", `version: 1\nconnect:\n${"- {}\n".repeat(20_000)}`],
    ["unknown keys", Array.from({ length: 20_000 }, (_, i) => `k${i}: 1\n`).join("")],
    ["one key again", "a:\n".repeat(20_000)],
    ["aliases", `version: 1\nconnect: [${"*a,".repeat(20_000)}]`],
  ])("has a hundred problems of a text that has thousands: %s", (_, text) => {
    const error = errorOf(() => parse(text));
    expect(error.problems).toHaveLength(100);
    const more = /^and (\d+) more problems$/.exec(error.problems[99]!.message)?.[1];
    expect(Number(more)).toBeGreaterThan(19_000);
    expect(error.message).toContain(`(and ${Number(more) + 98} more)`);
    expect(new PolicyError(error.file, error.problems).problems).toEqual(error.problems);
  });

  it("is a PolicyError with places inside the text, whatever is in it", () => {
    const word = fc.constantFrom(
      "version",
      "connect",
      "allow",
      "deny",
      "ports",
      "guest",
      "env",
      "argv",
      "files",
      "host",
      "limits",
      "regionBytes",
      "rates",
      "bytesToHost",
      "hosts",
      "resolvesTo",
      "access",
      "id",
      "x",
    );
    const leaf = fc.oneof(
      fc.constantFrom<unknown>(
        1,
        80,
        "ro",
        "a.b",
        "/a",
        "10.0.0.0/8",
        "1MiB",
        "",
        null,
        -1,
        1e300,
        true,
        "*",
      ),
      fc.string(),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "medium" },
        leaf,
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(word, tie("value"), { maxKeys: 4 }),
      ),
    }));
    const root = fc.record(
      {
        version: fc.constant(1),
        guest: value,
        refusals: value,
        connect: value,
        listen: value,
        files: value,
        sockets: value,
        limits: value,
        timeouts: value,
      },
      { requiredKeys: ["version"] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          root.map((document) => stringify(document)),
          fc.string({ unit: "binary" }),
        ),
        (text) => {
          try {
            parse(text);
          } catch (error) {
            if (!(error instanceof PolicyError)) throw error;
            const lines = text.split("\n");
            for (const { line, column, message } of error.problems) {
              expect(message).not.toBe("");
              expect(line).toBeLessThanOrEqual(lines.length);
              expect(column).toBeLessThanOrEqual((lines[line - 1] ?? "").length + 1);
            }
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe("the schema", () => {
  interface Node {
    readonly description?: string;
    readonly $ref?: string;
    readonly default?: unknown;
    readonly maximum?: number;
    readonly properties?: Record<string, Node>;
  }
  const schema = policySchema() as unknown as Node & { $defs: Record<string, Node> };

  it("states the defaults and bounds that the code has", () => {
    const { limits, timeouts } = schema.properties!;
    const stated = Object.entries(limits!.properties!).map(
      ([key, { default: value }]) => `  ${key}: ${value}`,
    );
    expect(parse(`version: 1\nlimits:\n${stated.join("\n")}`).limits).toEqual(DEFAULT_LIMITS);
    expect(timeouts!.properties!.connectMs!.default).toBe(DEFAULT_TIMEOUTS.connectMs);
    expect(timeouts!.properties!.resolveMs!.default).toBe(DEFAULT_TIMEOUTS.resolveMs);
    expect(timeouts!.properties!.attachMs!.default).toBe(DEFAULT_TIMEOUTS.attachMs);
    expect(limits!.properties!.streams!.maximum).toBe(MAX_STREAM_ID);
  });

  it("describes every key of the file, for editors", () => {
    const silent: string[] = [];
    const walk = (node: Node, path: string): void => {
      for (const [key, child] of Object.entries(node.properties ?? {})) {
        const target = child.$ref === undefined ? child : schema.$defs[child.$ref.replace("#/$defs/", "")]!;
        if ((child.description ?? target.description) === undefined) silent.push(`${path}.${key}`);
        walk(child, `${path}.${key}`);
      }
    };
    for (const [name, node] of Object.entries({ "": schema, ...schema.$defs })) walk(node, name);
    expect(silent).toEqual([]);
  });
});

describe("a policy file", () => {
  const folder = temporaryFolder("policy");
  const write = (text: string | Uint8Array): string => {
    const path = join(folder, "policy.yaml");
    writeFileSync(path, text);
    return path;
  };

  it("is no disk any more once it has been read: its text may take its time", () => {
    mkdirSync(join(folder, "looked"));
    const path = write("version: 1\nfiles: [{ guest: /data, host: ./looked, access: ro }]\n");
    const looked: (string | undefined)[] = [];
    readPolicy(path, [], (at) => void looked.push(at));
    expect(looked.slice(0, 3)).toEqual([path, undefined, join(folder, "looked")]);
  });

  it("takes hosts relative to the policy's folder, and wants them to be folders", () => {
    mkdirSync(join(folder, "data"));
    writeFileSync(join(folder, "plain"), "");
    const path = write("version: 1\nfiles:\n  - { guest: /data, host: ./data, access: ro }\n");
    expect(readPolicy(path, [], () => {}).policy.files[0]!.host).toBe(join(folder, "data"));

    write(
      "version: 1\nfiles:\n  - { guest: /a, host: missing, access: ro }\n  - guest: /b\n    host: " +
        "plain\n    access: ro\n",
    );
    const error = errorOf(() => readPolicy(path, [], () => {}));
    expect(error.problems).toEqual([
      {
        line: 3,
        column: 24,
        path: "files[0].host",
        message: `expected a folder that exists; "${folder}/missing": ENOENT: no such file or directory`,
      },
      {
        line: 5,
        column: 11,
        path: "files[1].host",
        message: `expected a folder; "${folder}/plain" is not one`,
      },
    ]);
  });

  it("says why a file cannot be read", () => {
    const error = errorOf(() => readPolicy(join(folder, "none.yaml"), [], () => {}));
    expect(error.message).toBe(`${folder}/none.yaml: cannot be read: ENOENT: no such file or directory`);
    expect(error.cause).toMatchObject({ code: "ENOENT" });
  });

  it("shows where a file is not UTF-8", () => {
    const path = write(Buffer.from("version: 1\n# caf\xe9\n", "latin1"));
    expect(errorOf(() => readPolicy(path, [], () => {})).message).toBe(`${path}:2:6: expected UTF-8 text`);
  });

  it("takes no file that is far too long", () => {
    const path = write(`version: 1\n#${"x".repeat(2 ** 20)}`);
    expect(errorOf(() => readPolicy(path, [], () => {})).message).toBe(`${path}:1:1: is longer than 1MiB`);
  });
});

describe("docs/policy.md", () => {
  const text = readFileSync(new URL("../../../docs/policy.md", import.meta.url), "utf8");
  it("names every key of the schema and every built-in rule", () => {
    const keys = keysOf(policySchema());
    expect(keys).toContain("resolvesTo");
    expect([...keys, ...BUILT_IN_RULES].filter((word) => !text.includes(`\`${word}\``))).toEqual([]);
  });
});

/** Every key that a schema's "properties" name, at any depth. */
function keysOf(schema: unknown): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties } = schema as { properties?: object };
  return [...Object.keys(properties ?? {}), ...Object.values(schema).flatMap(keysOf)];
}
