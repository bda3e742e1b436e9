// ringway logs: lines of a log and of an audit file, for people and as JSON.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { RINGWAY, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { prettyLine } from "../src/log/pretty.ts";
import { inProcess } from "./in-process.ts";

const TIME = "2026-11-27T10:00:00.000Z";
const folder = temporaryFolder("logs");
const at = (level: string, fields: object): string => JSON.stringify({ level, time: TIME, ...fields });
const tcp = { protocol: "tcp-connect", what: "a.example:443", rule: "web" };

const LINES: readonly (readonly [line: string, pretty: string])[] = [
  [
    at("info", { listen: "/run/a.sock", msg: "monitor is ready" }),
    `${TIME} INFO  monitor is ready listen=/run/a.sock`,
  ],
  [
    at("warn", {
      audit: "refused",
      guest: "web-1",
      labels: { team: "a" },
      ...tcp,
      reason: "denied",
      errno: "EACCES",
      msg: "denied",
    }),
    `${TIME} WARN  web-1 (team=a): refused tcp-connect a.example:443: denied (rule web) errno=EACCES`,
  ],
  [
    at("info", { audit: "opened", guest: "web-1", flow: 7, ...tcp, address: "192.0.2.1:443", msg: "opened" }),
    `${TIME} INFO  web-1: opened tcp-connect a.example:443 at 192.0.2.1:443 (rule web) flow=7`,
  ],
  [
    at("info", {
      audit: "closed",
      guest: "web-1",
      flow: 7,
      ...tcp,
      address: "",
      bytesToHost: 812,
      bytesToGuest: 52144,
      ms: 3125,
      end: "end",
    }),
    `${TIME} INFO  web-1: closed tcp-connect a.example:443 after 3.125 s (end) 812 B to the host, ` +
      "50.9 KiB to the guest (rule web) flow=7",
  ],
  [
    at("error", { problems: ["p.yaml:1:1: bad", "p.yaml:2:1: worse"], msg: "policy refused" }),
    `${TIME} ERROR policy refused\n    p.yaml:1:1: bad\n    p.yaml:2:1: worse`,
  ],
  [
    at("fatal", { err: { type: "Error", message: "x", stack: "Error: x\n  at y" }, msg: "internal error" }),
    `${TIME} FATAL internal error\n    Error: x\n      at y`,
  ],
  ["Segmentation fault", "Segmentation fault"],
  ['{"other":1}', '{"other":1}'],
];

describe("ringway logs", () => {
  it("--pretty has a line for each, from a file or standard input, and no colours where there is no terminal", async () => {
    const text = `${LINES.map(([line]) => line).join("\n")}\n`;
    const file = join(folder, "audit.gz");
    writeFileSync(file, gzipSync(text));
    const pretty = `${LINES.map(([, line]) => line).join("\n")}\n`;
    expect(await inProcess("logs", "--pretty", file)).toEqual({ code: 0, stdout: pretty, stderr: "" });
    const piped = await start([process.execPath, RINGWAY, "logs", "--pretty"], { input: text }).ended;
    expect(piped).toMatchObject({ code: 0, stdout: pretty });
    const mine = await inProcess("logs", "--guest", "web", file);
    expect(
      mine.stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line).guest),
    ).toEqual(Array(3).fill("web-1"));
    const missing = await inProcess("logs", join(folder, "none"));
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot read ") });
  });

  it("shows nothing that a terminal obeys, and no line that is not one, whatever a guest has said", async () => {
    const evil = "x\n\u001b[2J\u009b1m\u202e\u2028\u0000\r";
    const fields = Object.fromEntries(
      ["guest", "msg", "protocol", "what", "rule", "reason", "address", "end", "clause", "action", evil].map(
        (key) => [key, evil],
      ),
    );
    const lines = ["", "refused", "opened", "closed", "violation", "changed", evil].map((audit) =>
      at(evil, {
        ...fields,
        ...(audit === "" ? {} : { audit }),
        time: evil,
        labels: { [evil]: evil },
        problems: [evil],
        err: { stack: evil },
      }),
    );
    const file = join(folder, "evil");
    writeFileSync(file, `${[...lines, evil.replaceAll("\n", "")].join("\n")}\n${"y".repeat(1_000_000)}\n`);
    for (const how of [["--pretty"], []]) {
      const { code, stdout } = await inProcess("logs", ...how, file);
      expect(code).toBe(0);
      expect(stdout).toMatch(/^[\n -~]+$/);
      expect(stdout.length).toBeLessThan(20_000);
    }
    // A line each, and below it two: what is wrong, and where.
    expect(lines.map((line) => prettyLine(line, false).split("\n").length)).toEqual(lines.map(() => 4));
  });

  it("has colours on a terminal: the level's, and red for what was refused", () => {
    const [[, ready], [refused]] = [LINES[0]!, LINES[1]!];
    const plain = prettyLine(LINES[0]![0], true)
      .split("\u001b")
      .map((part) => part.replace(/^\[\d+m/, ""));
    expect(plain.join("")).toBe(ready);
    expect(prettyLine(refused, true)).toContain("\u001b[33mWARN \u001b[0m");
    expect(prettyLine(refused, true)).toContain("\u001b[31mrefused tcp-connect");
  });
});
