// A testee that breaks the contract, as its argument says, from the first command on; with "later", from the second.
import { createInterface } from "node:readline";

if (process.argv[2] === "throws") throw new Error("the guest's own mistake");
let isGood = process.argv[3] === "later";
for await (const _ of createInterface({ input: process.stdin })) {
  if (isGood) {
    console.log('{"unsupported":true}');
    isGood = false;
    continue;
  }
  if (process.argv[2] === "garbage") console.log("hello?");
  if (process.argv[2] === "dies") process.exit(3);
  if (process.argv[2] === "empty") console.log("{}");
}
