// The host of the matrix: real servers, on the loopback of a network of their own, so that their ports are always these
// and nobody else's. A program in `ringway run` reaches them by name.
//
//   web.test:8000   files: a page, a git repository, a registry of npm's, an archive of apt's
//   shell.test:2222 OpenSSH        db.test:5432 PostgreSQL       kv.test:6379 Redis
//   dns.test:5353   dnsmasq        chat.test:8765 WebSockets     perf.test:5201 and 5202 iperf3
//
// All are ready when startHost() resolves, and end with the tests.

import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing } from "../../agent/agent.ts";
import { run } from "../../native/toolchain.ts";
import type { Hold } from "../../support/held.ts";
import { Program } from "../../support/processes.ts";
import { until } from "../../support/wait.ts";
import { makeSite } from "./site.ts";

const isRoot = process.getuid!() === 0;
/** PostgreSQL does not run as root. */
const NOBODY = 65_534;

/** What a program is asked to reach: a name, and the port there. */
export interface Service {
  readonly host: string;
  readonly port: number;
}

export const SERVICES = {
  web: { host: "web.test", port: 8000 },
  shell: { host: "shell.test", port: 2222 },
  db: { host: "db.test", port: 5432 },
  kv: { host: "kv.test", port: 6379 },
  dns: { host: "dns.test", port: 5353 },
  chat: { host: "chat.test", port: 8765 },
  perf: { host: "perf.test", port: 5201 },
  perfUdp: { host: "perf.test", port: 5202 },
} as const satisfies Record<string, Service>;
export type ServiceName = keyof typeof SERVICES;

/** The policy allows it, and nobody listens there. */
export const CLOSED_PORT = 4000;
/** No rule allows it. */
export const DENIED_PORT = 4001;
/** No rule and no server knows it. */
export const UNKNOWN_HOST = "nowhere.test";

/** The network of the servers, and what runs a program there. */
export class HostNetwork implements Disposable {
  readonly #holder: Program;
  readonly under: readonly string[];

  private constructor(holder: Program) {
    this.#holder = holder;
    const user = isRoot ? [] : ["--user", "--preserve-credentials"];
    this.under = ["nsenter", "-t", String(holder.pid), ...user, "--net"];
  }

  static async make(): Promise<HostNetwork> {
    const user = isRoot ? [] : ["--user", "--map-current-user", "--keep-caps"];
    const shell = ["sh", "-ec", "ip link set lo up; echo ready; exec cat"];
    const holder = new Program("unshare", [...user, "--net", ...shell]);
    await holder.line("ready");
    return new HostNetwork(holder);
  }

  /** From its first moment on; as another user, if `uid` says so. */
  start(command: readonly string[], uid?: number): Program {
    const other =
      uid === undefined ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"];
    const [program, ...args] = [...this.under, ...other, ...command];
    return new Program(program!, args, { env: { LC_ALL: "C" } });
  }

  [Symbol.dispose](): void {
    this.#holder[Symbol.dispose]();
  }
}

/** Servers that are there, each by the services that it is for; `site` is what the web server has. */
export interface Host {
  readonly network: HostNetwork;
  readonly services: ReadonlySet<ServiceName>;
  readonly site: string;
  /** For programs of the guest: a key of OpenSSH's, and what they read. */
  readonly keys: string;
}

/** Why a service cannot be there, or undefined. */
export function noService(name: ServiceName): string | undefined {
  switch (name) {
    case "web":
      return undefined;
    case "shell":
      return missing("/usr/sbin/sshd") ?? missing("ssh-keygen");
    case "db":
      return postgres() === undefined ? "PostgreSQL is not installed" : undefined;
    case "kv":
      return missing("redis-server");
    case "dns":
      return missing("dnsmasq");
    case "chat":
      return run("/usr/bin/python3", ["-c", "import websockets"]).status === 0
        ? undefined
        : "python3-websockets is not installed";
    case "perf":
    case "perfUdp":
      return missing("iperf3");
  }
}

/** Starts all that can be there, in a folder that others may enter. */
export async function startHost(folder: string, hold: Hold): Promise<Host> {
  const network = hold(await HostNetwork.make());
  chmodSync(folder, 0o711);
  const [site, keys] = [join(folder, "site"), join(folder, "keys")];
  makeSite(site, `http://${SERVICES.web.host}:${SERVICES.web.port}`);
  mkdirSync(keys);
  const names = Object.keys(SERVICES) as ServiceName[];
  const services = new Set(names.filter((name) => noService(name) === undefined));
  const begin = async (name: ServiceName): Promise<void> => {
    await STARTS[name](SERVICES[name].port, { network, folder, hold });
  };
  await Promise.all([...services].map(begin));
  return { network, services, site, keys };
}

interface Where {
  readonly network: HostNetwork;
  readonly folder: string;
  readonly hold: Hold;
}

type Start = (port: number, where: Where) => Promise<unknown>;

/** Each resolves once its server takes connections. */
const STARTS: Readonly<Record<ServiceName, Start>> = {
  web: (port, { network, folder, hold }) => {
    const options = ["--bind", "127.0.0.1", "--directory", join(folder, "site")];
    const command = ["python3", "-u", "-m", "http.server", String(port), ...options];
    return hold(network.start(command)).line("Serving");
  },
  shell: startSshd,
  db: startPostgres,
  kv: (port, { network, folder, hold }) => {
    const options = ["--bind", "127.0.0.1", "--save", "", "--dir", folder];
    return hold(network.start(["redis-server", "--port", String(port), ...options])).line("Ready to accept");
  },
  dns: (port, { network, hold }) => {
    const options = [
      "--no-daemon",
      "--conf-file=/dev/null",
      "--no-resolv",
      "--no-hosts",
      "--bind-interfaces",
    ];
    const where = [`--port=${port}`, "--listen-address=127.0.0.1", ...(isRoot ? ["--user=root"] : [])];
    const server = hold(network.start(["dnsmasq", ...options, ...where, "--host-record=one.test,192.0.2.7"]));
    return said(server, "started");
  },
  chat: (port, { network, hold }) =>
    hold(network.start(["/usr/bin/python3", "-c", CHAT, String(port)])).line("ready"),
  perf: startIperf,
  perfUdp: startIperf,
};

function startIperf(port: number, { network, hold }: Where): Promise<unknown> {
  const server = hold(network.start(["iperf3", "-s", "--forceflush", "-B", "127.0.0.1", "-p", String(port)]));
  return server.line("listening");
}

/** Whoever has the key is the user that the tests run as. */
async function startSshd(port: number, { network, folder, hold }: Where): Promise<void> {
  const at = (name: string): string => join(folder, name);
  for (const path of [at("sshd-key"), at("keys/id")]) {
    run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path]);
  }
  const lines = [
    `HostKey ${at("sshd-key")}`,
    `AuthorizedKeysFile ${at("keys/id.pub")}`,
    `PidFile ${at("sshd.pid")}`,
    ...["ListenAddress 127.0.0.1", `Port ${port}`, "StrictModes no", "PermitRootLogin yes", "UsePAM no"],
    "Subsystem sftp internal-sftp",
  ];
  writeFileSync(at("sshd.conf"), `${lines.join("\n")}\n`);
  const sshd = ["/usr/sbin/sshd", "-D", "-e", "-f", at("sshd.conf")];
  // As root it wants this folder, which the system makes at its start; this one goes with the server.
  const own = 'mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$@"';
  const command = isRoot ? ["unshare", "--mount", "sh", "-ec", own, "sh", ...sshd] : sshd;
  await said(hold(network.start(command)), "Server listening on");
}

async function startPostgres(port: number, { network, folder, hold }: Where): Promise<void> {
  const programs = postgres()!;
  const data = join(folder, "db");
  mkdirSync(data);
  if (isRoot) run("chown", [String(NOBODY), data]);
  const uid = isRoot ? NOBODY : undefined;
  const options = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C"];
  const init = network.start([join(programs, "initdb"), "-D", join(data, "cluster"), ...options], uid);
  await init.succeeds(60_000);
  const settings = [`port=${port}`, "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
  const words = ["-D", join(data, "cluster"), ...settings.flatMap((setting) => ["-c", setting])];
  const server = network.start([join(programs, "postgres"), ...words], uid);
  hold({
    // Its processes end with it.
    async [Symbol.asyncDispose]() {
      server.kill("SIGQUIT");
      await server.exit();
    },
  });
  await said(server, "ready to accept connections");
}

/** The folder of PostgreSQL's own programs, which are on no PATH. */
function postgres(): string | undefined {
  const all = "/usr/lib/postgresql";
  try {
    // The client alone has a folder there, too.
    const folders = readdirSync(all)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(all, version, "bin"));
    return folders.find((folder) => existsSync(join(folder, "initdb")));
  } catch {
    return undefined;
  }
}

/** Waits for what a server logs to its errors. */
async function said(server: Program, text: string): Promise<void> {
  await until(
    `"${text}" from a server`,
    () => {
      if (server.errors.includes(text)) return true;
      if (server.isOver) throw new Error(`it ended without "${text}": ${server.errors}`);
      return false;
    },
    60_000,
  );
}

/** Says back what it is told. */
const CHAT = `
import asyncio, sys, websockets
async def chat(socket):
    async for text in socket: await socket.send("you said " + text)
async def main():
    async with websockets.serve(chat, "127.0.0.1", int(sys.argv[1])):
        print("ready", flush=True)
        await asyncio.Future()
asyncio.run(main())`;
