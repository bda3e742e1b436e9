// What the web server of the matrix has: a page, a git repository, a registry of npm's with one package, an archive of
// apt's with one package. All plain files.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing } from "../../agent/agent.ts";

export const HELLO = "a page of the host\n";
export const OF_GIT = "a file of git's\n";
export const OF_NPM = "a file of npm's";
export const OF_APT = "a file of apt's\n";
/** Names of the web server's, each of which has a part of one page. */
export const PARTS: readonly string[] = ["one.page.test", "two.page.test", "three.page.test"];

/** `url`: where it will be served. */
export function makeSite(folder: string, url: string): void {
  mkdirSync(folder);
  writeFileSync(join(folder, "hello"), HELLO);
  makePage(folder, new URL(url).port);
  if (missing("git") === undefined) makeRepository(folder);
  makeRegistry(folder, `${url}/npm`);
  if (missing("dpkg-deb") === undefined) makeArchive(folder);
}

/** Its parts count themselves. */
function makePage(folder: string, port: string): void {
  const parts = PARTS.map((name) => `<script src="http://${name}:${port}/part.js"></script>`);
  writeFileSync(join(folder, "page.html"), `<body data-parts="0">${parts.join("")}</body>\n`);
  writeFileSync(join(folder, "part.js"), "document.body.dataset.parts++;\n");
}

/** project.git, as a plain web server serves it. */
function makeRepository(folder: string): void {
  const git = (...args: readonly string[]): void => {
    const who = { user: "Somebody", email: "somebody@example.com" };
    const settings = [`user.name=${who.user}`, `user.email=${who.email}`, "init.defaultBranch=main"];
    execFileSync("git", [...settings.flatMap((each) => ["-c", each]), ...args], {
      cwd: folder,
      stdio: "ignore",
    });
  };
  git("init", "project");
  writeFileSync(join(folder, "project/file.txt"), OF_GIT);
  git("-C", "project", "add", ".");
  git("-C", "project", "commit", "-m", "A file");
  git("clone", "--bare", "project", "project.git");
  git("-C", "project.git", "update-server-info");
}

function makeRegistry(folder: string, url: string): void {
  const registry = join(folder, "npm");
  mkdirSync(join(registry, "package"), { recursive: true });
  const about = { name: "thing", version: "1.2.3" };
  writeFileSync(join(registry, "package/package.json"), JSON.stringify(about));
  writeFileSync(join(registry, "package/index.js"), `console.log(${JSON.stringify(OF_NPM)});\n`);
  execFileSync("tar", ["-czf", "thing-1.2.3.tgz", "package"], { cwd: registry });
  const integrity = `sha512-${hash("sha512", join(registry, "thing-1.2.3.tgz")).toString("base64")}`;
  const versions = { "1.2.3": { ...about, dist: { tarball: `${url}/thing-1.2.3.tgz`, integrity } } };
  const text = JSON.stringify({ name: "thing", "dist-tags": { latest: "1.2.3" }, versions });
  writeFileSync(join(registry, "thing"), text);
}

/** Its files belong to who makes it: a guest without capabilities gives nothing to others. */
function makeArchive(folder: string): void {
  const [archive, tree] = [join(folder, "debian"), join(folder, "deb-tree")];
  mkdirSync(join(tree, "DEBIAN"), { recursive: true });
  mkdirSync(join(tree, "usr/share"), { recursive: true });
  mkdirSync(archive);
  const about = [
    "Package: thing",
    "Version: 1.2.3",
    "Architecture: all",
    "Maintainer: Somebody <somebody@example.com>",
    "Description: a thing",
  ];
  writeFileSync(join(tree, "DEBIAN/control"), `${about.join("\n")}\n`);
  writeFileSync(join(tree, "usr/share/thing"), OF_APT);
  execFileSync("dpkg-deb", ["--build", tree, join(folder, "thing.deb")], { stdio: "ignore" });
  renameSync(join(folder, "thing.deb"), join(archive, "thing.deb"));
  const deb = join(archive, "thing.deb");
  const where = [
    "Filename: ./thing.deb",
    `Size: ${readFileSync(deb).length}`,
    `SHA256: ${hash("sha256", deb).toString("hex")}`,
  ];
  writeFileSync(join(archive, "Packages"), `${[...about, ...where].join("\n")}\n`);
}

function hash(algorithm: string, file: string): Buffer {
  return createHash(algorithm).update(readFileSync(file)).digest();
}
