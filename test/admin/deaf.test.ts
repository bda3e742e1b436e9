// What listens at the admin socket says nothing: a command ends all the same, and a terminal is given back.

import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createDeaf } from "node:net";
import { join } from "node:path";
import { AdminClient } from "@ringway/monitor";
import { beforeAll, expect, it } from "vitest";
import { allGuests, withAdmin } from "../../packages/cli/src/admin/client.ts";
import { RINGWAY, start } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";

let socket: string;

beforeAll(async () => {
  socket = join(temporaryFolder(), "deaf.sock");
  const deaf = createDeaf((connection) => connection.on("error", () => {}));
  await once(deaf.listen(socket), "listening");
  return () => void deaf.close();
});

it("a question has a time limit, and says so", async () => {
  await expect(withAdmin(socket, (client) => client.guests(), 20)).rejects.toThrow(
    `no monitor at ${socket}: who listens there does not answer`,
  );
  const events = async () => {
    using client = new AdminClient({ socket, timeoutMs: 20 });
    await client.events().next();
  };
  await expect(events()).rejects.toMatchObject({ code: "ETIMEDOUT" });
  expect(() => new AdminClient({ socket, timeoutMs: 0 })).toThrow("options.timeoutMs");
});

it("a list that begins and does not go on is given up, and close() cuts it off, on a connection used before", async () => {
  const path = join(temporaryFolder(), "slow.sock");
  let asked = 0;
  const slow = createServer((_, response) => {
    if (asked++ === 0) response.end('{"items":[]}');
    else response.write('{"items":[');
  });
  await once(slow.listen(path), "listening");
  const client = new AdminClient({ socket: path });
  expect(await client.guests()).toEqual({ items: [] });
  const second = client.guests();
  await once(slow, "request");
  client.close();
  await expect(second).rejects.toThrow();
  await expect(withAdmin(path, (other) => other.guests(), 20)).rejects.toThrow("does not answer");
  slow.closeAllConnections();
  slow.close();
});

it("calls do not wait for events that are followed, and close() cuts those off", async () => {
  const path = join(temporaryFolder(), "events.sock");
  const follows = createServer((request, response) => {
    if (request.url!.startsWith("/v1/events")) response.writeHead(200).write(": nothing yet\n\n");
    else response.end('{"items":[]}');
  });
  await once(follows.listen(path), "listening");
  const client = new AdminClient({ socket: path, timeoutMs: 10_000 });
  const events = Array.from({ length: 16 }, () =>
    client
      .events()
      .next()
      .catch((error: Error) => error),
  );
  for (let i = 0; i < 16; i++) await once(follows, "request");
  expect(await client.guests()).toEqual({ items: [] });
  client.close();
  for (const event of await Promise.all(events)) expect(event).toBeInstanceOf(Error);
  follows.closeAllConnections();
  follows.close();
});

it("a monitor with more guests than anybody reads: the list says that it is cut", async () => {
  const page = { items: Array.from({ length: 1000 }, () => ({})), next: "more" };
  const { items, isCut } = await allGuests({ guests: async () => page } as unknown as AdminClient);
  expect({ isCut, length: items.length }).toEqual({ isCut: true, length: 20_000 });
});

it.each([
  ["Ctrl-C", ["\\[\\?25l", "\x03"]],
  ["a signal", ["\\[\\?25l", "", "terminated"]],
])("ringway top is ended by %s, and gives the terminal back", async (_, step) => {
  const terminal = join(import.meta.dirname, "../fixtures/terminal.py");
  const top = [process.execPath, RINGWAY, "top", "--admin", socket];
  const { code, stdout, stderr } = await start(["python3", terminal, JSON.stringify([step]), ...top]).ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.endsWith("\x1b[?25h\x1b[?1049l")).toBe(true);
});
