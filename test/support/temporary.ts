// Folders that go when the tests of a file are over: after everything that a test file has started itself has ended.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const folders: string[] = [];

export function removeFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}
afterAll(removeFolders);

/** A new one; its name says whose it is. */
export function temporaryFolder(whose = "test"): string {
  const folder = mkdtempSync(join(tmpdir(), `ringway-${whose}-`));
  folders.push(folder);
  return folder;
}
