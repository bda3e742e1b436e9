// The agent of `ringway run`, as far as its lines go. A script stands for bubblewrap and the agent: it says a few.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { AgentProcess } from "../src/run/agent.ts";

test("what the agent says before anybody heeds it is not lost", async () => {
  const folder = temporaryFolder("run-agent");
  const bubblewrap = join(folder, "bubblewrap");
  const said = [
    "ringway-agent: publish 127.0.0.1:80 to 80: Address already in use",
    "ringway-agent: waiting",
  ];
  const lines = said.map((line) => `echo '${line}' >&2\n`).join("");
  writeFileSync(
    bubblewrap,
    `#!/bin/sh\necho '{ "child-pid": 1 }' >&3\nexec 3>&-\n${lines}exec sleep 1000\n`,
    {
      mode: 0o755,
    },
  );
  const agent = new AgentProcess({
    ...{ bubblewrap, agent: "/agent", socket: join(folder, "attach.sock"), isThere: false },
    ...{ mounts: [], publish: [], learns: false, as: {} },
  });
  try {
    await agent.up();
    const heeded: string[] = [];
    agent.heed((line) => heeded.push(line));
    expect(heeded).toEqual(said);
  } finally {
    await agent.stop();
  }
});
