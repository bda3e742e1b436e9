// A testee that knows one command.
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, message, fields } = JSON.parse(line);
  if (what === "encode" && message === "Accept") {
    const payload = Buffer.alloc(8);
    payload.writeUInt32LE(fields.id, 0);
    payload.writeUInt32LE(fields.generation, 4);
    console.log(JSON.stringify({ status: "ok", payload: payload.toString("hex") }));
  } else console.log(JSON.stringify({ unsupported: true }));
}
