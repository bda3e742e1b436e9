// The tests of a list of programs (rows.ts) in one guest of ringway run, for all of them, with one host of real servers
// (host.ts).

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect } from "vitest";
import { BUILD_MS } from "../../agent/agent.ts";
import { heldForAll } from "../../support/held.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { buildStaticAgent, FIXTURES, Inside } from "../inside.ts";
import { CLOSED_PORT, type Host, SERVICES, startHost } from "./host.ts";
import type { Row } from "./programs.ts";
import { rowTests, sshConfig } from "./rows.ts";

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
    const { code, err } = await inside.run("sh", "-c", sshConfig("~", "/keys/id"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
  }, BUILD_MS);

  rowTests(rows, { ask: (command) => inside.run("sh", "-c", command), site: () => host.site });

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
