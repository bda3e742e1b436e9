// A testee that breaks the contract, as its argument says.
import { createInterface } from "node:readline";

for await (const _ of createInterface({ input: process.stdin })) {
  if (process.argv[2] === "garbage") console.log("hello?");
  if (process.argv[2] === "dies") process.exit(3);
  if (process.argv[2] === "empty") console.log("{}");
}
