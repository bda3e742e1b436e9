// `ringway ARGS` in this process: a process of its own for each takes most of a test's time. Of a command, one test at
// least starts it as it is.

import { vi } from "vitest";
import type { Ended } from "../../../test/support/processes.ts";
import { run } from "../src/program.ts";

export async function inProcess(...args: string[]): Promise<Pick<Ended, "code" | "stdout" | "stderr">> {
  const out: string[] = [];
  const errors: string[] = [];
  const into = (to: string[], end: string) => (text: unknown) => to.push(`${text}${end}`) > 0;
  const spies = [
    vi.spyOn(console, "log").mockImplementation(into(out, "\n")),
    vi.spyOn(console, "error").mockImplementation(into(errors, "\n")),
    vi.spyOn(process.stdout, "write").mockImplementation(into(out, "")),
    vi.spyOn(process.stderr, "write").mockImplementation(into(errors, "")),
  ];
  try {
    const code = await run(args);
    return { code, stdout: out.join(""), stderr: errors.join("") };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
