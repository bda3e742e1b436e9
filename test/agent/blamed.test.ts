// A monitor that ends the agent for a violation, and hangs up before its ring is heard: the agent looks at the
// superblock, says why, and does not come again (ATT-8, ATT-9). The monitor here is played by hand: no rings but those
// that the test wants.

import { join } from "node:path";
import { encodeHello, HostSession, PAGE_BYTES, regionMemory, Violation } from "@ringway/control";
import {
  acceptUnix,
  closeFd,
  createEventfd,
  listenUnix,
  ringEventfd,
  SharedMemory,
  sendWithFds,
} from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { start } from "../native/rwcat-process.ts";
import { noCompiler, titled } from "../native/toolchain.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { BUILD_MS, buildAgent } from "./agent.ts";

const REGION_BYTES = 4 << 20;

describe.skipIf(noCompiler !== undefined)(titled("the agent", noCompiler), () => {
  let program: string;
  beforeAll(() => {
    program = buildAgent();
  }, BUILD_MS);

  test("gives up where the region says FAILED, also when the hang-up comes first", async () => {
    const folder = temporaryFolder("blamed");
    const path = join(folder, "attach.sock");
    const listener = listenUnix(path);
    const memory = SharedMemory.create("blamed", REGION_BYTES);
    const bells = [createEventfd(), createEventfd()];
    let quiet = false;
    const session = new HostSession(
      regionMemory(memory.buffer),
      { ring: () => void (quiet || ringEventfd(bells[1]!)) },
      { streams: 16, ringBytes: 65_536 },
    );
    const where = [
      "--socket",
      path,
      "--socks",
      "0",
      "--http",
      "0",
      "--service",
      join(folder, "service.sock"),
    ];
    const agent = start(program, where, "", {}, 20_000);
    try {
      const fd = await until("the agent", () => {
        const accepted = acceptUnix(listener);
        return accepted < 0 ? undefined : accepted;
      });
      sendWithFds(fd, encodeHello({ errno: 0, regionPages: REGION_BYTES / PAGE_BYTES }), [
        memory.fd,
        ...bells,
      ]);
      await until("it to attach", () => session.checkGuest() === "attached");
      await agent.said(/attached, epoch/);
      quiet = true;
      session.fail(Violation.QUOTA);
      closeFd(fd);
      await agent.said(/giving up: a new region would not mend what this guest did/);
      const { code, stderr } = await agent.done;
      expect({ code, sanitizer: /Sanitizer|runtime error/.test(stderr) }).toEqual({
        code: 1,
        sanitizer: false,
      });
      expect(acceptUnix(listener)).toBeLessThan(0);
    } finally {
      agent.child.kill("SIGKILL");
      for (const each of [listener, ...bells]) closeFd(each);
      memory[Symbol.dispose]();
    }
  });
});
