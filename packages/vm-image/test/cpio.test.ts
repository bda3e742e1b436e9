import { describe, expect, it } from "vitest";
import { Cpio } from "../src/cpio.ts";

describe("an archive for the kernel", () => {
  it("has folders before what is in them, each name once, and a trailer", () => {
    const archive = new Cpio().file("a/b/c", "text", 0o755).file("a/b/d", "").end();
    const names = [...archive.toString("latin1").matchAll(/070701[0-9a-f]{104}([^\0]+)\0/g)];
    expect(names.map(([, name]) => name)).toEqual(["a", "a/b", "a/b/c", "a/b/d", "TRAILER!!!"]);
    expect(archive.length % 4).toBe(0);
  });
});
