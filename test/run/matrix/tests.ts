// The tests of a list of programs: one guest of ringway run for all of them, and one host of real servers (host.ts).
// Each reaches its server by name, and where it must not or cannot, it says what it would say on any network.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { BUILD_MS } from "../../agent/agent.ts";
import { titled } from "../../native/toolchain.ts";
import { heldForAll } from "../../support/held.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { buildStaticAgent, FIXTURES, Inside, type Said } from "../inside.ts";
import {
  CLOSED_PORT,
  DENIED_PORT,
  type Host,
  noService,
  SERVICES,
  type Service,
  startHost,
  UNKNOWN_HOST,
} from "./host.ts";
import type { Row } from "./programs.ts";

export interface Matrix {
  readonly host: Host;
  readonly inside: Inside;
}

export interface MatrixOptions {
  /** Puts programs that are built for the tests into a folder, which is /programs in the guest. */
  build(folder: string): void;
  /** Further names of the host's, and ports that may be connected to there. */
  readonly names: readonly string[];
  readonly ports: readonly number[];
  /** Ports that programs may have on the host. */
  readonly listens?: readonly number[];
  /** Further folders of the system that programs need. */
  readonly system?: readonly string[];
}

/** For a describe: its tests, one for each row. What it gives back is there once they run. */
export function matrixTests(rows: readonly Row[], options: MatrixOptions): Matrix {
  const hold = heldForAll();
  let host: Host;
  let inside: Inside;

  beforeAll(async () => {
    buildStaticAgent();
    const folder = temporaryFolder("matrix");
    host = await startHost(folder, hold);
    const programs = join(folder, "programs");
    mkdirSync(programs);
    options.build(programs);
    const policy = join(folder, "policy.yaml");
    writeFileSync(policy, JSON.stringify(policyOf(options, programs, host.keys)));
    inside = hold(await Inside.start(["--policy", policy], { under: host.network.under }));
    const { code, err } = await inside.run("sh", "-c", SSH_CONFIG);
    expect({ code, err }).toEqual({ code: 0, err: "" });
  }, BUILD_MS);

  const asked = async (row: Row, { host: name, port }: Service): Promise<Said> => {
    const filled = row.command
      .replaceAll("{at}", `${name}:${port}`)
      .replaceAll("{host}", name)
      .replaceAll("{port}", String(port))
      .replaceAll("{site}", host.site);
    return await inside.run("sh", "-c", filled);
  };

  for (const row of rows) {
    const absent = row.absent ?? noService(row.service);
    test.skipIf(absent !== undefined)(
      titled(`${row.name} reaches its server by name, and has the errors of a real network`, absent),
      async () => {
        const server = SERVICES[row.service];
        const { code, out, err } = await asked(row, server);
        const says =
          typeof row.says === "string" ? expect.stringContaining(row.says) : expect.stringMatching(row.says);
        expect({ code, out }, err).toEqual({ code: 0, out: says });
        const { closed, denied, unknown } = row.complaints;
        for (const [wrong, complaint] of [
          [{ ...server, port: CLOSED_PORT }, closed],
          [{ ...server, port: DENIED_PORT }, denied],
          [{ ...server, host: UNKNOWN_HOST }, unknown],
        ] as const) {
          const said = await asked(row, wrong);
          expect(said.out + said.err).toMatch(complaint);
          expect(said.out).not.toEqual(says);
        }
      },
    );
  }

  return {
    get host() {
      return host;
    },
    get inside() {
      return inside;
    },
  };
}

/** In JSON, which is YAML as well. */
function policyOf(
  { names, ports, listens = [], system = [] }: MatrixOptions,
  programs: string,
  keys: string,
): object {
  const services = Object.values(SERVICES);
  const allowed = [CLOSED_PORT, ...ports, ...services.map(({ port }) => port)];
  const hosts = [...services.map(({ host }) => host), ...names];
  return {
    version: 1,
    connect: [{ allow: "127.0.0.1", ports: allowed, protocols: ["tcp", "udp"] }],
    listen: listens.length === 0 ? [] : [{ allow: "127.0.0.1", ports: listens }],
    hosts: Object.fromEntries(hosts.map((name) => [name, "127.0.0.1"])),
    run: { system: ["default", ...system] },
    files: [
      { guest: "/fixtures", host: FIXTURES, access: "ro" },
      { guest: "/programs", host: programs, access: "ro" },
      { guest: "/keys", host: keys, access: "ro" },
    ],
  };
}

const SSH_CONFIG = `mkdir -m 700 ~/.ssh
cat > ~/.ssh/config <<END
Host *.test
  IdentityFile /keys/id
  StrictHostKeyChecking accept-new
END`;
