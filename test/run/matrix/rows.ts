// A test for each row of a list of programs (programs.ts), wherever these run: in `ringway run` and in a machine. Each
// reaches its server by name, and where it must not or cannot, it says what it would say on any network.

import { expect, test } from "vitest";
import { titled } from "../../native/toolchain.ts";
import type { Said } from "../inside.ts";
import { CLOSED_PORT, DENIED_PORT, noService, SERVICES, UNKNOWN_HOST } from "./host.ts";
import type { Row } from "./programs.ts";

export interface Where {
  /** Runs what a shell is given where the programs are. */
  ask(command: string): Promise<Said>;
  /** Of the host, which is there once the tests run. */
  site(): string;
  /** For whoever looks at a row that has failed, beside what its program says. */
  told?(): string;
}

/** For a describe; `timeoutMs` is each row's. */
export function rowTests(rows: readonly Row[], where: Where, timeoutMs?: number): void {
  const asked = async ({ command }: Row, host: string, port: number): Promise<Said> => {
    const filled = command
      .replaceAll("{at}", `${host}:${port}`)
      .replaceAll("{host}", host)
      .replaceAll("{port}", String(port))
      .replaceAll("{site}", where.site());
    return await where.ask(filled);
  };

  for (const row of rows) {
    const absent = row.absent ?? noService(row.service);
    test.skipIf(absent !== undefined)(
      titled(`${row.name} reaches its server by name, and has the errors of a real network`, absent),
      async () => {
        const { host, port } = SERVICES[row.service];
        const { code, out, err } = await asked(row, host, port);
        const says =
          typeof row.says === "string" ? expect.stringContaining(row.says) : expect.stringMatching(row.says);
        expect({ code, out }, `${err}${where.told?.() ?? ""}`).toEqual({ code: 0, out: says });
        const { closed, denied, unknown } = row.complaints;
        for (const [wrongHost, wrongPort, complaint] of [
          [host, CLOSED_PORT, closed],
          [host, DENIED_PORT, denied],
          [UNKNOWN_HOST, port, unknown],
        ] as const) {
          const said = await asked(row, wrongHost, wrongPort);
          expect(said.out + said.err).toMatch(complaint);
          expect(said.out).not.toEqual(says);
        }
      },
      timeoutMs,
    );
  }
}

/** Says a shell: who its ssh is to the servers, and that it believes each the first time. */
export const sshConfig = (home: string, identity: string): string => `mkdir -m 700 ${home}/.ssh
cat > ${home}/.ssh/config <<END
Host *.test
  IdentityFile ${identity}
  StrictHostKeyChecking accept-new
END`;
