// --vm NAME:memory=FILE,doorbell=SOCKET[,size=SIZE][,policy=FILE][,label=KEY=VALUE]: a virtual machine for the monitor
// to serve.

import { resolve } from "node:path";
import { guestNameProblem, unexpandedPath, type VmOptions } from "@ringway/monitor";
import { parseMemory } from "../vm/size.ts";
import { parseFields } from "./fields.ts";

const FORM = "NAME:memory=FILE,doorbell=SOCKET[,size=SIZE]";
/** And what each of them is, for people. */
const KNOWN = { memory: "FILE", doorbell: "SOCKET", size: "SIZE" } as const;

/** The option's value, or the sentence that says what is wrong with it. */
export function parseVmOption(text: string): VmOptions | string {
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(0, colon));
  if (guestNameProblem(name) !== undefined) {
    return `expected ${FORM}, with a name of letters and digits; found "${text}"`;
  }
  const parsed = parseFields(text.slice(colon + 1).split(","), KNOWN);
  if (typeof parsed === "string") return parsed;
  const { values: fields, own } = parsed;
  const missing = ["memory", "doorbell"].find((key) => !fields.has(key));
  if (missing !== undefined) return `expected ${FORM}; ${missing} is missing`;
  for (const key of ["memory", "doorbell"]) {
    const problem = unexpandedPath(fields.get(key)!);
    if (problem !== undefined) return `${key}: ${problem}`;
  }
  const [memory, doorbell] = [resolve(fields.get("memory")!), resolve(fields.get("doorbell")!)];
  const size = fields.get("size");
  if (size === undefined) return { name, memory, doorbell, ...own };
  const memoryBytes = parseMemory(size);
  if (typeof memoryBytes === "string") return `size: ${memoryBytes}`;
  return { name, memory, doorbell, memoryBytes, ...own };
}
