// A policy that hides its rules: a path whose folder cannot be had looks to the guest as one that no rule covers, by
// whatever request, and by whatever link. The audit log tells them apart.

import { symlinkSync } from "node:fs";
import { join } from "node:path";
import {
  Done,
  Errno,
  Explain,
  fileMessages,
  fsMessages,
  Protocol,
  StatReply,
  Verdict,
} from "@ringway/control";
import { beforeAll, describe, expect, it } from "vitest";
import { failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { audited, type Host, startHost } from "./host.ts";
import { FileGuest, type RawStream } from "./wire.ts";

const { READ, WRITE, CREATE } = fileMessages.FileFlags;
const { FileDirection, FileOpen } = fileMessages;
const m = fsMessages;

const MISSING = "/nonexistent/ringway";
const FILES = `
  - { id: inner, guest: /data/inner, host: ${MISSING}/inner, access: rw }
  - { id: lost, guest: /lost, host: ${MISSING}/lost, access: ro }
  - { id: deep, guest: /up/deep, host: ${MISSING}/deep, access: rw }
`;
/** No rule covers the first. */
const PATHS = ["/nowhere", "/lost", "/up/deep", "/data/inner"];

const hold = heldForAll();
let host: Host;
let guest: FileGuest;
let fs: RawStream;

beforeAll(async () => {
  host = hold(await startHost({ files: FILES, refusals: "hide" }));
  guest = hold(await FileGuest.attach(host.path));
  fs = await guest.openFs();
});

const requests: [string, (path: string) => Promise<unknown>][] = [
  ["Stat", (path) => fs.call(m.Stat, { path }, StatReply)],
  ["ReadDir", (path) => fs.call(m.ReadDir, { path }, Done)],
  ["Mkdir", (path) => fs.call(m.Mkdir, { path, mode: 0o755, parents: false }, Done)],
  ["Unlink", (path) => fs.call(m.Unlink, { path }, Done)],
  ["Rename from", (path) => fs.call(m.Rename, { from: path, to: "/data/x" }, Done)],
  ["Rename to", (path) => fs.call(m.Rename, { from: "/data/x", to: path }, Done)],
  ["a file to read", (path) => guest.openFile(path, READ)],
  ["a file to write", (path) => guest.openFile(path, WRITE | CREATE)],
  ["a stream", (path) => guest.openFileStream({ path, direction: FileDirection.READ, flags: READ })],
];

describe("a path whose folder cannot be had is refused as one that no rule covers:", () => {
  it.each(requests)("%s", async (_what, request) => {
    for (const folder of PATHS) {
      for (const path of [folder, `${folder}/x`]) {
        const failure = await failureOf(request(path));
        expect(failure, path).toMatchObject({
          errno: Errno.EACCES,
          message: `errno ${Errno.EACCES}, rule "": `,
        });
        const { rule, reason } = await audited(host, path);
        if (folder === "/nowhere") expect(rule).toBe("default");
        else expect(reason).toContain(`the folder of rule "${rule}": `);
      }
    }
  });

  it("Explain", async () => {
    for (const path of PATHS) {
      const body = FileOpen.encode({ path: `${path}/x`, flags: READ, mode: 0 });
      const reply = await guest.reply(await guest.send(Explain, { protocol: Protocol.FILE, body }));
      expect(Verdict.decode(reply.payload), path).toEqual({ allowed: false, rule: "", reason: "" });
    }
  });
});

it("a link to such a path, or over its place, leads out of all folders as a link to nowhere does", async () => {
  const targets = ["/nowhere", "/lost", "/up", "/up/deep", "/data/inner", "/lost/../other", "/up/../other"];
  for (const [at, target] of targets.entries()) {
    symlinkSync(target, join(host.data, `link-${at}`));
    for (const path of [`/data/link-${at}`, `/data/link-${at}/x`]) {
      const failure = await failureOf(fs.call(m.Stat, { path }, StatReply));
      expect(failure, target).toMatchObject({
        errno: Errno.EXDEV,
        message: `errno ${Errno.EXDEV}, rule "": `,
      });
      await audited(host, path);
    }
  }
});

it("a policy that explains its refusals says which folder it is, and why it cannot be had", async () => {
  await using open = await startHost({ files: FILES });
  using other = await FileGuest.attach(open.path);
  const stream = await other.openFs();
  const failure = await failureOf(stream.call(m.Stat, { path: "/lost/x" }, StatReply));
  expect(failure).toMatchObject({ errno: Errno.ENOENT, rule: "" });
  expect(failure!.message).toContain('the folder of rule "lost": ');
});
