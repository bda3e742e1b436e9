// What is Ringway's in a guest, as it is in this tree now: the agent, the SDK's packages, and the tests' programs on
// them. Below /opt/ringway; /opt/ringway/bin is in the PATH.

import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Cpio } from "@ringway/vm-image";
import { build, type PluginBuild } from "esbuild";

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const OPT = "opt/ringway";

/** ringway-agent and its other names. */
export function agent(): Buffer {
  const archive = new Cpio().file(
    `${OPT}/bin/ringway-agent`,
    readFileSync(at("native/build/ringway-agent")),
    0o755,
  );
  for (const name of ["rwcat", "rwfs"]) archive.link(`${OPT}/bin/${name}`, "ringway-agent");
  return archive.end();
}

/** The packages that a guest imports, each as it would be published. */
export function packages(): Buffer {
  const archive = new Cpio();
  const add = (name: string, from: string, files: readonly string[]): void => {
    for (const file of files) archive.tree(`${OPT}/node_modules/${name}/${file}`, join(from, file));
  };
  for (const name of ["control", "guest", "linux"])
    add(`@ringway/${name}`, at(`packages/${name}`), ["package.json", "lib"]);
  const koffi = realpathSync(at("packages/linux/node_modules/koffi"));
  add("koffi", koffi, ["package.json", "index.js", "src"]);
  const native = "@koromix/koffi-linux-x64";
  const addon = dirname(createRequire(join(koffi, "package.json")).resolve(`${native}/package.json`));
  add(native, addon, ["package.json", "index.js", "linux_x64"]);
  return archive.end();
}

/**
 * Programs of the tests: modules as they are, and the hostile guest of test/hostile on this machine's memory and bell.
 */
export async function programs(): Promise<Buffer> {
  const archive = new Cpio();
  const folder = at("test/vm/guest");
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".mjs"))) {
    archive.file(`${OPT}/programs/${name}`, readFileSync(join(folder, name)));
  }
  for (const [name, bytes] of await hostile()) archive.file(`${OPT}/programs/${name}`, bytes);
  return archive.end();
}

async function hostile(): Promise<[name: string, bytes: Uint8Array][]> {
  const { outputFiles } = await build({
    entryPoints: { hostile: at("test/hostile/attacker-child.ts"), flipper: at("test/hostile/flipper.mjs") },
    outExtension: { ".js": ".mjs" },
    outdir: "/",
    write: false,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["@ringway/control"],
    plugins: [{ name: "virtual machine", setup: onVirtualMachine }],
  });
  return outputFiles.map(({ path, contents }) => [basename(path), contents]);
}

/** The hostile guest's own imports, of what is another thing in a machine. */
function onVirtualMachine({ onResolve }: PluginBuild): void {
  const here = at("test/vm/hostile");
  onResolve({ filter: /^@ringway\/linux$/ }, ({ importer, path }) =>
    importer.startsWith(here) ? { path, external: true } : { path: join(here, "linux.ts") },
  );
  onResolve({ filter: /\/footing\.ts$/ }, () => ({ path: join(here, "footing.ts") }));
}
