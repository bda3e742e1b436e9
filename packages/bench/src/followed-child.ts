// A monitor in a process of its own, which follows its conversations: what is told is read, and no more. Ends with
// stdin.
//
//   node followed-child.js POLICY SOCKET nobody | drop | backpressure

import { Monitor } from "@ringway/monitor";

const [policy, listen, whenSlow] = process.argv.slice(2) as [string, string, string];
await using monitor = await Monitor.start({ policy, listen });
const conversations = isFollowing(whenSlow) ? monitor.conversations({ whenSlow }) : undefined;
const reading = conversations === undefined ? undefined : read(conversations);
for await (const _ of process.stdin);
await conversations?.return();
await reading;

function isFollowing(text: string): text is "drop" | "backpressure" {
  return text !== "nobody";
}

async function read(all: AsyncIterable<AsyncIterable<object>>): Promise<void> {
  for await (const conversation of all) void readOne(conversation);
}

async function readOne(conversation: AsyncIterable<object>): Promise<void> {
  for await (const _ of conversation);
}
