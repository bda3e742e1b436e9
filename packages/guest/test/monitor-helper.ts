// A real monitor on a socket of its own, with a folder that its guests see as /data.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Monitor, parsePolicy } from "@ringway/monitor";

export interface TestMonitor {
  readonly monitor: Monitor;
  readonly socketPath: string;
  readonly folder: string;
  stop(): Promise<void>;
}

const POLICY = `version: 1
guest: { argv: [prog], env: { MODE: test } }
connect:
  - { id: local, allow: [127.0.0.0/8, "::1/128"] }
  - { id: by-name, allow: localhost, resolvesTo: [127.0.0.0/8, "::1/128"] }
listen:
  - { id: local-listen, allow: 127.0.0.1, ports: [0, 1024-65535] }
files:
  - { id: data, guest: /data, host: ./data, access: rw }
`;

/** `more`: further lines of the policy. */
export async function startMonitor(more = ""): Promise<TestMonitor> {
  const base = mkdtempSync(join(tmpdir(), "ringway-guest-"));
  const folder = mkdtempSync(join(base, "data-"));
  const socketPath = join(base, "attach.sock");
  const policy = parsePolicy(POLICY.replace("./data", folder) + more, { file: join(base, "policy.yaml") });
  const monitor = await Monitor.start({ policy, listen: socketPath });
  const stop = async (): Promise<void> => {
    await monitor.close();
    rmSync(base, { recursive: true, force: true });
  };
  return { monitor, socketPath, folder, stop };
}
