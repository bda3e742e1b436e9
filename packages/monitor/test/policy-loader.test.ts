// One thread for many policies, and another after one that a dead disk holds.

import { PolicyError } from "@ringway/monitor";
import { expect, it } from "vitest";
import { NoAnswerError } from "../src/loading/loader.ts";
import { PolicyLoader } from "../src/loading/policy-loader.ts";
import { parsePolicy } from "../src/policy/index.ts";

const policy = parsePolicy("version: 1", { file: "policy.yaml" });
const problem = (cause?: Error): PolicyError =>
  new PolicyError("x", [{ line: 1, column: 1, path: "", message: "m" }], { cause });

/** Loaders by number, with what was asked of them; one that is asked for "dead" is stuck, and "bad" is a bad policy. */
function fakes(): { loader: PolicyLoader; asked: string[] } {
  const asked: string[] = [];
  let made = 0;
  const loader = new PolicyLoader(() => {
    const number = ++made;
    return {
      check: async (path: string) => {
        asked.push(`${number}: ${path}`);
        if (path === "dead") throw problem(new NoAnswerError("/dead"));
        if (path === "bad") throw problem();
        return { policy, warnings: [] };
      },
      read: async (path: string) => {
        asked.push(`${number} reads ${path}`);
        if (path === "dead") throw problem(new NoAnswerError("/dead"));
        return new TextEncoder().encode("1");
      },
      close: async () => void asked.push(`${number} closed`),
    };
  });
  return { loader, asked };
}

it("policies are checked by one thread, good or bad", async () => {
  const { loader, asked } = fakes();
  await loader.load("good");
  await expect(loader.load("bad")).rejects.toThrow(PolicyError);
  await loader.loadText(new Uint8Array(), { file: "text" });
  await loader.close();
  expect(asked).toEqual(["1: good", "1: bad", "1: text", "1 closed"]);
});

it("a thread that a disk holds is left behind: the next policy has another", async () => {
  const { loader, asked } = fakes();
  await expect(loader.load("dead")).rejects.toThrow(PolicyError);
  await loader.load("good");
  await loader[Symbol.asyncDispose]();
  expect(asked).toEqual(["1: dead", "1 closed", "2: good", "2 closed"]);
});

it("another YAML file is read by the same thread, or by another after a dead disk", async () => {
  const { loader, asked } = fakes();
  await loader.load("good");
  await expect(loader.readYaml("dead", () => 0)).rejects.toThrow(PolicyError);
  expect(await loader.readYaml("other", ({ value }) => value)).toBe(1);
  await loader.close();
  expect(asked).toEqual(["1: good", "1 reads dead", "1 closed", "2 reads other", "2 closed"]);
});
