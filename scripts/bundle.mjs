// Puts the packages together: of what tsc has compiled, file by file, into packages/NAME/dist, it makes the few files
// in packages/NAME/lib that run and are published. Node opens all modules of one level of the imports at once, and each
// thread does so for itself: single files are most of the time that a monitor takes to start, and hundreds of
// descriptors.
//
//   index.js, node.js             what importers get         ╮
//   main.js, NAME-main.js         programs                   ├─▶  each one file of lib; what it imports on demand has
//   NAME-child.js                 programs of benchmarks     ╯    files of its own
//   NAME-main.js                  threads                    ──▶  each one file, NAME-main.cjs, of CommonJS
//
//   a dependency (MADE_ONE)      ──▶  one file, NAME.cjs
//
// All of a package's code is copied into each of its files that needs it, other packages' is not. But a thread has all
// of its own: it is started many times, shares nothing with whoever imports those packages, and needs little of them;
// and an ES module costs it a fifth more than what Node requires. lib has no folders: a URL that is made of
// import.meta.url must be right from there, and this checks that there is something.
//
//   node scripts/bundle.mjs [ROOT]

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What something other than an import of its package begins with. */
const ENTRY = /^(?:index|main|node)\.ts$|-(?:main|child)\.ts$/;
const WRITTEN = /\.c?js(?:\.map)?$/;
const CODE = /\.c?js$/;
/** What a thread begins with (packages/linux/src/native-thread.ts), and nothing else has. */
const THREAD = /^threadLoaded\(\);$/m;
/** Packages of the workspace that threads use, as tsc has compiled them: their modules do nothing by being loaded. */
const OF_THREADS = ["control", "linux"];
/** Dependencies that are no part of the workspace. */
const EXTERNAL = ["koffi", "pino"];
/** One of many files, which is made one of its own, NAME.cjs: it is loaded in a third of the time, and only by some. */
const MADE_ONE = { monitor: "yaml" };

/** As vitest calls it: a test never runs older code than tsc has compiled last. */
export async function setup() {
  await bundlePackages(ROOT);
}

/** Writes what has changed. Throws where something cannot be put together. */
async function bundlePackages(root) {
  const folders = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));
  const made = folders.filter((folder) => existsSync(join(folder, "package.json"))).map(bundlePackage);
  await Promise.all(made);
}

async function bundlePackage(folder) {
  const entries = readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => ENTRY.test(path))
    .map((path) => ({ in: join(folder, "dist", path.replace(/\.ts$/, ".js")), out: basename(path, ".ts") }));
  const names = entries.map(({ out }) => out);
  if (new Set(names).size < names.length) throw new Error(`${folder}: two of ${names} have one name`);
  const lib = join(folder, "lib");
  const threads = entries.filter((entry) => THREAD.test(readFileSync(entry.in, "utf8")));
  const outputs = await Promise.all(entries.map((entry) => bundle(entry, lib, threads)));
  const one = MADE_ONE[basename(folder)];
  if (one !== undefined) outputs.push(await bundleDependency(folder, one, lib));
  const files = new Map(outputs.flat());
  for (const [path, bytes] of files) requireTargets(path, bytes, files);
  writeAll(lib, files, one === undefined ? names : [...names, one]);
}

/** Paths and contents of what is made of one entry. */
async function bundle(entry, lib, threads) {
  const { outputFiles } = await build({
    entryPoints: [entry],
    outdir: lib,
    chunkNames: "[name]-[hash]",
    write: false,
    bundle: true,
    ...(threads.includes(entry) ? threadOptions() : { format: "esm", splitting: true, packages: "external" }),
    platform: "node",
    target: "node20",
    charset: "utf8",
    // To src, which is published as well.
    sourcemap: true,
    sourcesContent: false,
    logLevel: "warning",
  });
  return outputFiles.map(({ path, contents }) => {
    const bytes = Buffer.from(contents);
    if (!CODE.test(path)) return [path, bytes];
    return [path, Buffer.from(withDependency(withThreads(withOwnNames(bytes.toString()), threads)))];
  });
}

/** In dist a thread's file has another name than in lib. */
function withThreads(text, threads) {
  return threads.reduce((so, { out }) => so.replaceAll(`"./${out}.js"`, `"./${out}.cjs"`), text);
}

/** What createRequire() made of the source loads it by its name. */
function withDependency(text) {
  return Object.values(MADE_ONE).reduce(
    (so, name) => so.replaceAll(new RegExp(`\\b(require\\d*)\\("${name}"\\)`, "g"), `$1("./${name}.cjs")`),
    text,
  );
}

/** With its license, as that demands. */
async function bundleDependency(folder, name, lib) {
  const from = join(folder, "node_modules", name);
  const { version } = JSON.parse(readFileSync(join(from, "package.json"), "utf8"));
  const license = readFileSync(join(from, "LICENSE"), "utf8").trim();
  const { outputFiles } = await build({
    entryPoints: [createRequire(join(folder, "package.json")).resolve(name)],
    outfile: join(lib, `${name}.cjs`),
    write: false,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    charset: "utf8",
    banner: { js: `/*! ${name} ${version}\n\n${license}\n*/` },
    logLevel: "warning",
  });
  return outputFiles.map(({ path, contents }) => [path, Buffer.from(contents)]);
}

function threadOptions() {
  const compiled = (name) => [`@ringway/${name}`, join(ROOT, "packages", name, "dist/index.js")];
  return {
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    alias: Object.fromEntries(OF_THREADS.map(compiled)),
    external: EXTERNAL,
    banner: { js: '"use strict"; const hereUrl = require("node:url").pathToFileURL(__filename).href;' },
    define: { "import.meta.url": "hereUrl" },
  };
}

/** A class that names itself is `var Name = class _Name` to esbuild, and so _Name in stacks and where it is printed. */
function withOwnNames(text) {
  const names = [...text.matchAll(/^var (\w+) = class _\1\b/gm)].map(([, name]) => name);
  return names.length === 0
    ? text
    : text.replaceAll(new RegExp(`(?<![.#\\w])_(${names.join("|")})\\b`, "g"), "$1");
}

/** Throws where the code names a file by a URL, as a thread's or a folder, that is not there. */
function requireTargets(path, bytes, files) {
  if (!CODE.test(path)) return;
  for (const [, named] of bytes
    .toString()
    .matchAll(/new URL\("(\.[^"]+)", (?:import\.meta\.url|hereUrl)\)/g)) {
    const target = fileURLToPath(new URL(named, pathToFileURL(path)));
    const isThere = dirname(target) === dirname(path) ? files.has(target) : existsSync(target);
    if (!isThere) throw new Error(`${path} names ${named}, and there is none`);
  }
}

/**
 * Leaves the same alone, so that nobody who loads it just now finds half of it: what others import is there before
 * them, and what nobody imports any more goes last. Two that write at once write the same, unless the code has changed.
 */
function writeAll(lib, files, entries) {
  mkdirSync(lib, { recursive: true });
  const changed = [...files].filter(
    ([path, bytes]) => !existsSync(path) || !readFileSync(path).equals(bytes),
  );
  const isEntry = ([path]) => entries.includes(basename(path).replace(WRITTEN, ""));
  // Not in lib, of which all is published, should this be killed.
  const fresh = mkdtempSync(join(lib, "..", "dist", ".fresh-"));
  try {
    for (const [path, bytes] of [...changed.filter((file) => !isEntry(file)), ...changed.filter(isEntry)]) {
      writeFileSync(join(fresh, basename(path)), bytes);
      renameSync(join(fresh, basename(path)), path);
    }
  } finally {
    rmSync(fresh, { recursive: true });
  }
  for (const name of readdirSync(lib)) {
    if (WRITTEN.test(name) && !files.has(join(lib, name))) rmSync(join(lib, name), { force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundlePackages(process.argv[2] ?? ROOT);
