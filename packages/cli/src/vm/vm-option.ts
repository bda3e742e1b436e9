// --vm NAME:memory=FILE,doorbell=SOCKET[,size=SIZE]: a virtual machine for the monitor to serve.

import { resolve } from "node:path";
import { unexpandedPath, type VmOptions } from "@ringway/monitor";
import { parseMemory } from "./size.ts";

const FORM = "NAME:memory=FILE,doorbell=SOCKET[,size=SIZE]";
const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;

/** The option's value, or the sentence that says what is wrong with it. */
export function parseVmOption(text: string): VmOptions | string {
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(0, colon));
  if (!NAME.test(name)) return `expected ${FORM}, with a name of letters and digits; found "${text}"`;
  const fields = new Map<string, string>();
  for (const part of text.slice(colon + 1).split(",")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(0, equals));
    const value = part.slice(equals + 1);
    if (!["memory", "doorbell", "size"].includes(key) || value === "") {
      return `expected memory=FILE, doorbell=SOCKET or size=SIZE, found "${part}"`;
    }
    if (fields.has(key)) return `expected one ${key}, found two`;
    fields.set(key, value);
  }
  const missing = ["memory", "doorbell"].find((key) => !fields.has(key));
  if (missing !== undefined) return `expected ${FORM}; ${missing} is missing`;
  for (const key of ["memory", "doorbell"]) {
    const problem = unexpandedPath(fields.get(key)!);
    if (problem !== undefined) return `${key}: ${problem}`;
  }
  const [memory, doorbell] = [resolve(fields.get("memory")!), resolve(fields.get("doorbell")!)];
  const size = fields.get("size");
  if (size === undefined) return { name, memory, doorbell };
  const memoryBytes = parseMemory(size);
  if (typeof memoryBytes === "string") return `size: ${memoryBytes}`;
  return { name, memory, doorbell, memoryBytes };
}
