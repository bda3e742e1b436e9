// Programs that serve a Unix socket, used by a guest through the policy: ssh-agent, PostgreSQL, a server of node:http.
// The programs that ask are the distribution's own: a bridge of a few lines gives them a socket of the guest's.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { closeFd, connectUnixStream } from "@ringway/linux";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let folder: string;
let host: TestMonitor;
let guest: Guest;

const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = temporaryFolder("unix-peers");
  // Those that drop to another user must come to it.
  chmodSync(folder, 0o755);
  mkdirSync(at("pg"));
  const policy = `version: 1
sockets:
  - { id: agent, guest: /run/agent, host: ${at("agent")}, access: connect }
  - { id: web, guest: /run/web, host: ${at("web")}, access: connect }
  - { id: database, guest: /run/postgresql/.s.PGSQL.5432, host: ${at("pg/.s.PGSQL.5432")}, access: connect }
`;
  host = hold(await startMonitor(() => policyOf(policy, folder)));
  guest = hold(await Guest.attach(host.path));
});

/** A socket of this machine at which a program finds what the guest is connected to. */
async function bridge(name: string, to: string): Promise<string> {
  const server = net.createServer({ allowHalfOpen: true }, (near) => {
    const far = guest.createConnection({ path: to, allowHalfOpen: true });
    near.pipe(far).on("error", () => near.destroy());
    far.pipe(near).on("error", () => far.destroy());
  });
  server.listen({ path: at(name), writableAll: true });
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return at(name);
}

/** Its file is there a moment before it does. */
function listens(path: string): boolean {
  const fd = connectUnixStream(path);
  if (fd >= 0) closeFd(fd);
  return fd >= 0;
}

function ended(child: ChildProcess): void {
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const over = once(child, "exit");
    child.kill("SIGTERM");
    await over;
  });
}

const has = (program: string): boolean => spawnSync("which", [program]).status === 0;

test.skipIf(!has("ssh-agent"))(
  "ssh-add lists, adds and signs with the keys of the host's ssh-agent",
  async () => {
    const agent = spawn("ssh-agent", ["-D", "-a", at("agent")], { stdio: "ignore" });
    ended(agent);
    await until("the agent listens", () => listens(at("agent")));
    const env = { ...process.env, SSH_AUTH_SOCK: await bridge("agent-in-guest", "/run/agent") };
    const run = async (program: string, args: string[]): Promise<string> => {
      const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
      const out: Buffer[] = [];
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => out.push(chunk));
      await once(child, "close");
      return Buffer.concat(out).toString();
    };
    expect(await run("ssh-add", ["-l"])).toContain("no identities");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "of the host", "-f", at("key")]);
    expect(await run("ssh-add", [at("key")])).toContain("Identity added");
    expect(await run("ssh-add", ["-l"])).toMatch(/256 SHA256:\S+ of the host \(ED25519\)/);
    expect(await run("ssh-add", ["-T", `${at("key")}.pub`])).toBe("");
    // The same key for a program of the host, which goes to the agent itself.
    const own = spawnSync("ssh-add", ["-l"], { env: { ...process.env, SSH_AUTH_SOCK: at("agent") } });
    expect(String(own.stdout)).toContain("of the host");
  },
);

test("a server of node:http on a socket answers the guest's agent, small and large, one after the other and at once", async () => {
  const large = "x".repeat(3_000_000);
  const server = http.createServer((request, response) => {
    if (request.method === "POST") request.pipe(response);
    else response.end(request.url === "/large" ? large : request.url);
  });
  server.listen(at("web"));
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const agent = guest.httpAgent({ keepAlive: true });
  const ask = (options: http.RequestOptions, body = ""): Promise<string> =>
    new Promise((resolve, reject) => {
      const request = http.request({ agent, socketPath: "/run/web", ...options }, async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve(Buffer.concat(chunks).toString());
      });
      request.on("error", reject).end(body);
    });
  for (const path of ["/a", "/b", "/large"]) {
    expect(await ask({ path })).toBe(path === "/large" ? large : path);
  }
  expect(await ask({ path: "/", method: "POST" }, large)).toBe(large);
  const many = await Promise.all(Array.from({ length: 50 }, (_, i) => ask({ path: `/${i}` })));
  expect(many).toEqual(Array.from({ length: 50 }, (_, i) => `/${i}`));
  agent.destroy();
});

/** Where Debian has PostgreSQL's programs. */
function postgres(): string | undefined {
  const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql") : [];
  const folder = versions.length === 0 ? undefined : `/usr/lib/postgresql/${versions[0]}/bin`;
  return folder !== undefined && existsSync(`${folder}/initdb`) ? folder : undefined;
}

test.skipIf(postgres() === undefined || process.getuid!() !== 0)(
  "psql asks the host's PostgreSQL by its socket: it is who the kernel says that it is, and rows come back",
  async () => {
    const programs = postgres()!;
    execFileSync("chown", ["postgres", at("pg")]);
    const asPostgres = (command: string): string =>
      execFileSync("su", ["postgres", "-s", "/bin/sh", "-c", command], {
        stdio: ["ignore", "pipe", "pipe"],
      }).toString();
    asPostgres(`${programs}/initdb -D ${at("pg/data")} -A trust --no-sync`);
    const options = `-c listen_addresses= -c unix_socket_directories=${at("pg")} -c fsync=off`;
    asPostgres(`${programs}/pg_ctl -D ${at("pg/data")} -o "${options}" -l ${at("pg/log")} -w start`);
    onTestFinished(() => void asPostgres(`${programs}/pg_ctl -D ${at("pg/data")} -m immediate -w stop`));
    mkdirSync(at("in-guest"));
    chmodSync(at("in-guest"), 0o755);
    await bridge("in-guest/.s.PGSQL.5432", "/run/postgresql/.s.PGSQL.5432");
    const psql = spawn(
      "psql",
      ["-h", at("in-guest"), "-U", "postgres", "-Atc", "select sum(n) from generate_series(1, 100000) n"],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const out: Buffer[] = [];
    psql.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    await once(psql, "close");
    expect(Buffer.concat(out).toString()).toBe("5000050000\n");
    const socket = await guest.connect({ path: "/run/postgresql/.s.PGSQL.5432" });
    expect(socket.peerCredentials!.uid).toBe(Number(execFileSync("id", ["-u", "postgres"])));
    socket.destroy();
  },
);
