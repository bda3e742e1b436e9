// A real monitor that lets its guests reach this machine, listen on it, and see a folder as /data.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { policyOf, startMonitor, type TestMonitor } from "../../../test/support/monitor.ts";

export interface Host extends TestMonitor {
  /** What guests see as /data. */
  readonly data: string;
}

const POLICY = `version: 1
guest: { argv: [prog], env: { MODE: test } }
connect:
  - { id: local, allow: [127.0.0.0/8, "::1/128"], protocols: [tcp, udp] }
  - { id: by-name, allow: localhost, resolvesTo: [127.0.0.0/8, "::1/128"] }
listen:
  - { id: local-listen, allow: 127.0.0.1, ports: [0, 1024-65535], protocols: [tcp, udp] }
files:
  - { id: data, guest: /data, host: ./data, access: rw }
`;

/** `more`: further lines of the policy. */
export async function startHost(more = ""): Promise<Host> {
  const started = await startMonitor((folder) => {
    mkdirSync(join(folder, "data"));
    return policyOf(POLICY + more, folder);
  });
  return { ...started, data: join(started.folder, "data") };
}
