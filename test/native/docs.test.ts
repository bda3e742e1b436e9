// Every program in docs/guest-in-c.md compiles as it stands; those with a main() run.

import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { start } from "./rwcat-process.ts";
import { buildForTests, INCLUDES, noCompiler, noSanitizers, ROOT, run, titled } from "./toolchain.ts";

const text = readFileSync(join(ROOT, "docs/guest-in-c.md"), "utf8");
const programs = text.split(/^## /m).flatMap((section): [string, string][] => {
  const program = /^```c\n([\s\S]*?)^```$/m.exec(section)?.[1];
  return program === undefined ? [] : [[section.split("\n")[0]!, program]];
});
const STRICT = ["-std=c11", "-Wall", "-Wextra", "-Werror", ...INCLUDES];

describe.skipIf(noCompiler !== undefined)(titled("docs/guest-in-c.md", noCompiler), () => {
  let host: TestMonitor;
  let folder: string;
  let library: string;

  const hold = heldForAll();
  beforeAll(async () => {
    library = join(buildForTests(), "libringway.a");
    folder = temporaryFolder("docs");
    host = hold(await startMonitor());
  }, 180_000);

  function source(program: string): string {
    const file = join(folder, "program.c");
    writeFileSync(file, program);
    return file;
  }

  it("has a guest in fifty lines, and more", () => {
    expect(programs.length).toBeGreaterThanOrEqual(3);
    const [, guest] = programs.find(([title]) => title === "A guest in fifty lines")!;
    const lines = guest.split("\n").filter((line) => line.trim() !== "");
    expect(lines.length).toBeLessThanOrEqual(50);
  });

  it.each(programs)("%s", async (_title, program) => {
    const file = source(program);
    if (!/\bmain\(/.test(program)) {
      const args = [...STRICT, "-ffreestanding", "-c", "-o", "/dev/null", file];
      expect(run("gcc", args)).toEqual({ status: 0, stdout: "", stderr: "" });
      return;
    }
    const binary = join(folder, "program");
    const sanitize = noSanitizers === undefined ? ["-g", "-fsanitize=address,undefined"] : [];
    const args = [...STRICT, ...sanitize, file, library, "-o", binary];
    expect(run("gcc", args)).toEqual({ status: 0, stdout: "", stderr: "" });

    const page = "x".repeat(300_000);
    const server = createServer((_request, response) => response.end(page)).listen(0, "127.0.0.1");
    try {
      await new Promise((resolve) => server.once("listening", resolve));
      const { port } = server.address() as AddressInfo;
      const env = { RINGWAY_SOCKET: host.path };
      const { code, stdout, stderr } = await start(binary, ["127.0.0.1", String(port)], "", env).done;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.toString().split("\r\n\r\n")[1]).toBe(page);
      const refused = await start(binary, ["192.0.2.1", "80"], "", env).done;
      const reason = /^the policy refuses .*: `(refused: .*)`\.$/m.exec(text)![1];
      expect(refused).toMatchObject({ code: 1, stderr: `${reason}\n` });
      const unset = await start(binary, ["127.0.0.1", String(port)], "").done;
      expect(unset).toMatchObject({ code: 1, stderr: "set RINGWAY_SOCKET: the monitor's socket\n" });
    } finally {
      server.close();
    }
  });
});
