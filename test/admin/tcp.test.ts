// The admin API over TCP: for who has the token, asked by no page of another's, and out of guests' reach.

import { once } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { heldForAll } from "../support/held.ts";
import { Home, ringway } from "../support/ringway.ts";
import { freePort } from "../support/tcp.ts";

const hold = heldForAll();
const TOKEN = "0123456789abcdef0123456789abcdef";
const POLICY = "version: 1\nconnect:\n  - { id: local, allow: 127.0.0.0/8 }\n";
let home: Home;
let port: number;

beforeAll(async () => {
  home = hold(new Home(POLICY));
  const token = join(home.folder, "token");
  writeFileSync(token, `${TOKEN}\n`, { mode: 0o600 });
  port = await freePort();
  // Where in a file, and by which token by an option, which stands above the file's.
  const config = join(home.folder, "ringway.yaml");
  writeFileSync(config, `version: 1\nadmin: admin.sock\nadminHttp: 127.0.0.1:${port}\nadminToken: none\n`);
  await home.ready(["--config", config, "--admin-token", token]);
});

function ask(headers: Record<string, string>): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path: "/v1/counters", headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

const authorization = `Bearer ${TOKEN}`;

describe("the admin API over TCP", () => {
  it("serves who has the token, and says in the history where a change came from", async () => {
    using admin = new AdminClient({ url: `http://127.0.0.1:${port}`, token: TOKEN });
    expect(await admin.guests()).toEqual({ items: [] });
    await admin.putPolicy("version: 1\nconnect:\n  - { id: again, allow: 127.0.0.0/8 }\n");
    const [change] = await admin.policyHistory();
    expect(change!.by).toEqual({ via: "admin", address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
  });

  it("takes no request of who resets the connection at once for one that came to the Unix socket", async () => {
    using admin = new AdminClient({ socket: join(home.folder, "admin.sock") });
    const { revision } = await admin.policy();
    const policy = "version: 1\nconnect:\n  - { id: anybody, allow: 10.0.0.0/8 }\n";
    const put = `PUT /v1/policy HTTP/1.1\r\nhost: x\r\ncontent-type: text/yaml\r\ncontent-length: ${policy.length}`;
    for (let i = 0; i < 100; i++) {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      await new Promise((resolve) => socket.write(`${put}\r\n\r\n${policy}`, resolve));
      socket.resetAndDestroy();
    }
    // Over TCP too, behind them all; and one policy after the other is put in force.
    using last = new AdminClient({ url: `http://127.0.0.1:${port}`, token: TOKEN });
    expect(await last.putPolicy(POLICY)).toMatchObject({ revision: revision + 1 });
  });

  it("asks nothing else of a page of another, or of a name that was made to lead here", async () => {
    expect(await ask({ authorization, host: `evil.test:${port}` })).toMatchObject({ status: 403 });
    expect(await ask({ authorization, host: "127.0.0.1:1" })).toMatchObject({ status: 403 });
    expect(await ask({ authorization, origin: "http://evil.test" })).toMatchObject({ status: 403 });
    expect(await ask({ authorization, origin: `http://127.0.0.1:${port}` })).toMatchObject({ status: 200 });
    expect(await ask({ authorization, host: `localhost:${port}` })).toMatchObject({ status: 200 });
  });

  it("is reached by no guest, whatever its policy allows, and by no other spelling", async () => {
    await using guest = await Guest.attach(home.path);
    using admin = new AdminClient({ socket: join(home.folder, "admin.sock") });
    const all = `{ allow: ["0.0.0.0/0", "::/0"], ports: 1024-65535 }`;
    await admin.putPolicy(`version: 1\nconnect: [${all}]\nlisten: [${all}]\n`);
    const loopback = ["127.0.0.1", "127.1.2.3", "localhost", "::ffff:127.0.0.1", "::ffff:7f00:1", "::1"];
    for (const host of loopback) {
      const refused = await guest.connect({ host, port }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "EACCES", rule: "monitor" });
    }
    // Nor is one there at another address, for a client that takes the monitor's to be `localhost`.
    for (const host of ["::1", "::", "127.0.0.2", "0.0.0.0"]) {
      const refused = await guest.listen({ host, port }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "EACCES", rule: "monitor" });
    }
  });

  it("tells an address that has sent ten wrong tokens to wait, and takes the right one all the same", async () => {
    const answers = [];
    for (let i = 0; i < 10; i++) answers.push(await ask({ authorization: `Bearer wrong-${i}` }));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(401));
    expect(await ask({ authorization: "Bearer wrong" })).toMatchObject({ status: 429 });
    expect(await ask({ authorization })).toMatchObject({ status: 200 });
    expect(await ask({})).toMatchObject({ status: 401 });
  });

  it.each<[string, string, number, string]>([
    ["others may read", TOKEN, 0o640, "others than its owner may read the token's file: chmod 600"],
    ["is too short", "secret", 0o600, "a token has 32 characters or more, without spaces"],
  ])("does not start with a token that %s", async (_, text, mode, message) => {
    const token = join(home.folder, "bad-token");
    writeFileSync(token, text);
    chmodSync(token, mode);
    const { code, stderr } = await ringway(
      ...["monitor", "--policy", home.policyFile, "--listen", join(home.folder, "other.sock")],
      ...["--admin", join(home.folder, "other-admin.sock"), "--admin-http", `127.0.0.1:${await freePort()}`],
      ...["--admin-token", token],
    );
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
