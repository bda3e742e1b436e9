// ringway policy test FILE CASES.yaml.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ringway } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { inProcess } from "./in-process.ts";

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const write = (name: string, text: string): string => {
  writeFileSync(at(name), text);
  return at(name);
};

const policy = write(
  "policy.yaml",
  `version: 1
connect:
  - { id: web, allow: "*.example.com", ports: 443 }
  - { id: dns, allow: 192.0.2.53, ports: 53, protocols: udp }
listen:
  - { id: dev, allow: 127.0.0.1, ports: 8000-8999 }
files:
  - { id: data, guest: /data, host: /usr/share, access: ro }
sockets:
  - { id: app, guest: /run/app.sock, host: ./app.sock, access: connect }
hosts: { inner.example.com: 10.0.0.1 }
`,
);

describe("policy test", () => {
  it("exits 0 where all is decided as expected, by the judge that explain has", async () => {
    const cases = write(
      "good.yaml",
      `version: 1
cases:
  - { connect: a.example.com:443, expect: allow, rule: web }
  - { connect: a.example.com:443, addresses: [192.168.0.1], expect: deny, rule: not-public }
  - { connect: a.example.com:443, addresses: [192.168.0.1, 8.8.8.8], expect: allow, rule: web }
  - { connect: inner.example.com:443, expect: deny, rule: not-public }
  - { connect: "192.0.2.53:53", expect: deny, rule: default }
  - { connect: "192.0.2.53:53", protocol: udp, expect: allow, rule: dns }
  - { listen: "127.0.0.1:8000", expect: allow }
  - { file: /data/x, expect: allow }
  - { file: /data/x, write: true, expect: deny, rule: data }
  - { connect: /run/app.sock, expect: allow, rule: app }
`,
    );
    expect(await ringway("policy", "test", policy, cases)).toEqual({
      code: 0,
      stdout: `${cases}: ok (10 cases)\n`,
      stderr: "",
    });
  });

  it("tells each that is not, at its line, and exits 1", async () => {
    const cases = write(
      "bad.yaml",
      `version: 1
cases:
  - { connect: a.example.com:443, expect: allow, rule: dns }
  - connect: a.example.com:80
    expect: allow
  - { file: /data/x, expect: allow }
`,
    );
    expect(await inProcess("policy", "test", policy, cases)).toEqual({
      code: 1,
      stdout: "",
      stderr: `${cases}:3:5: connect a.example.com:443: expected allow by rule dns, found allow by rule web: \
connecting to a.example.com:443 is allowed by rule "web" (*.example.com)
${cases}:4:5: connect a.example.com:80: expected allow, found deny by rule default: no connect rule allows \
a.example.com:80
${cases}: 2 of 3 cases failed
`,
    });
  });

  it("tells all mistakes of the cases at once", async () => {
    const cases = write(
      "mistakes.yaml",
      `version: 1
cases:
  - { conect: a.example.com:443, expect: allow }
  - { connect: a.example.com, expect: allow }
  - { connect: a.example.com:1, listen: a:1, expect: allow }
  - { file: /x, expect: maybe, protocol: udp, addresses: 8.8.8.8 }
  - { connect: "8.8.8.8:1", write: true, addresses: [x] }
`,
    );
    const { code, stderr } = await inProcess("policy", "test", policy, cases);
    expect(code).toBe(1);
    expect(stderr.trimEnd().replaceAll(`${cases}:`, "").split("\n")).toEqual([
      "3:5: cases[0]: expected one of connect, listen, file; found none",
      '3:7: cases[0]: unknown key "conect"; did you mean "connect"?',
      expect.stringMatching(/^4:16: cases\[1\]\.connect: expected HOST:PORT, .*; found "a\.example\.com"$/),
      "5:5: cases[2]: expected one of connect, listen, file; found connect and listen",
      '6:25: cases[3].expect: expected one of allow, deny; found "maybe"',
      "6:42: cases[3].protocol: protocol goes with an address or a name only",
      "6:58: cases[3].addresses: addresses go with a connect to a name only",
      '7:5: cases[4]: expected the key "expect", which is missing',
      "7:36: cases[4].write: write goes with file only",
      "7:53: cases[4].addresses: addresses go with a connect to a name only",
      '7:54: cases[4].addresses[0]: expected an IPv4 or IPv6 address, found "x"',
    ]);
    expect(
      (await inProcess("policy", "test", policy, write("none.yaml", "version: 1\ncases: []\n"))).code,
    ).toBe(1);
  });

  it("--config asks the policy of the guest that asks", async () => {
    const config = write(
      "ringway.yaml",
      `version: 1
policy: none.policy.yaml
guests:
  - { name: web, listen: web.sock, policy: policy.yaml }
  - { name: plain, listen: plain.sock }
`,
    );
    write("none.policy.yaml", "version: 1\n");
    const cases = write(
      "guests.yaml",
      `version: 1
cases:
  - { guest: web, connect: a.example.com:443, expect: allow }
  - { guest: plain, connect: a.example.com:443, expect: deny }
  - { connect: a.example.com:443, expect: deny }
`,
    );
    expect(await inProcess("policy", "test", "--config", config, cases)).toMatchObject({ code: 0 });
    const dash = await inProcess("policy", "test", "--config", "-", cases);
    expect(dash).toMatchObject({ code: 2, stderr: expect.stringContaining("expected the path of a file") });
    const alone = await inProcess("policy", "test", policy, cases);
    expect(alone).toMatchObject({ code: 1 });
    expect(alone.stderr).toContain(`${cases}:3:5: guest goes with --config`);
    const unknown = write(
      "unknown.yaml",
      "version: 1\ncases: [{ guest: wbe, listen: '[::1]:1', expect: deny }]\n",
    );
    expect((await inProcess("policy", "test", "--config", config, unknown)).stderr).toBe(
      `${unknown}:2:9: there is no guest "wbe" in ${config}\n`,
    );
  });
});
