// The examples of docs/cat.md run as they stand, one after the other in one shell, in a network of their own. Those of
// machines A, B and C run on machines of that name, which are networks: A and B have a cable to C each, and no other.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Network, noNetworks } from "../agent/networks.ts";
import { LOADED_MS, Program } from "../support/processes.ts";
import { FIND_RINGWAY, ROOT, start } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { missing } from "./cats.ts";

const BLOCK = /^```(sh|text)(?: ([abc]))?\n([\s\S]*?)^```$/gm;
const blocks = [...readFileSync(join(ROOT, "docs/cat.md"), "utf8").matchAll(BLOCK)].map(
  ([, language, machine, text]) => ({ language: language!, machine, text: text! }),
);
const absent = ["unshare", "ip"].map(missing).find((why) => why !== undefined);

type Machine = "a" | "b" | "c";

/** What B has: it names what is asked for; it says who comes, and leaves; and it leaves who asks for that. */
const SERVICE = `
  require("http").createServer((request, response) => {
    const path = request.url.slice(1);
    console.log("asked", path);
    response.once("close", () => console.log("left", path));
    if (path === "leave") response.write("first", () => request.socket.destroy());
    else if (path !== "wait") response.end(path + " from B\\n");
  }).listen(8000, "127.0.0.1", () => console.log("ready"));`;

/** Of what is in no machine's, or in one's. */
const scriptOf = (machine: string | undefined): string =>
  blocks
    .filter((block) => block.language === "sh" && block.machine === machine)
    .map(({ text }) => text)
    .join("\n");
const printedBy = (isRelay: boolean): string =>
  blocks
    .filter(({ language, machine }) => language === "text" && (machine !== undefined) === isRelay)
    .map(({ text }) => text)
    .join("");

async function run(
  script: string,
): Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }> {
  const folder = temporaryFolder("cat-docs");
  const whole = [
    "set -eu",
    "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT",
    "ip link set lo up",
    FIND_RINGWAY,
    `cd ${folder}`,
    script,
  ].join("\n");
  const user = process.getuid!() === 0 ? [] : ["--user", "--map-root-user"];
  return await start(["unshare", ...user, "--net", "bash", "-c", whole]).ended;
}

describe.skipIf(absent !== undefined)("docs/cat.md", () => {
  test("has examples that run, and print what it says", async () => {
    const { code, stdout, stderr } = await run(scriptOf(undefined));
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: printedBy(false) });
  });

  test.skipIf((noNetworks ?? missing("curl")) !== undefined)(
    "connects two machines that can only connect outwards by a third, ends and all",
    async () => {
      const machines = await threeMachines();
      const folder = temporaryFolder("cat-relay");
      const on = (name: Machine, script: string): Program => onMachine(machines[name], folder, script);
      const service = on("b", `exec node -e '${SERVICE}'`);
      await service.line("ready", LOADED_MS);
      // B dials until C is there.
      on("b", scriptOf("b"));
      on("c", scriptOf("c"));
      await until("C", () => logOf(folder, "c.log").includes(":7002\n"), LOADED_MS);
      // More often than there are connections that wait.
      for (let round = 0; round < 3; round++) {
        const tool = on("a", scriptOf("a"));
        tool.child.stdin!.end();
        const { stdout, stderr } = await tool.ended;
        expect(stdout, stderr).toBe(printedBy(true));
      }

      const leaves = on("a", "exec curl -sS --noproxy '*' http://10.9.0.3:7001/wait");
      await service.line("asked wait");
      leaves.kill("SIGKILL");
      await service.line("left wait");
      const isLeft = on("a", "exec curl -sS --noproxy '*' http://10.9.0.3:7001/leave");
      const { code, stdout } = await isLeft.ended;
      // curl's word for an answer that is not whole.
      expect({ code, stdout }).toEqual({ code: 18, stdout: "first" });
      // It is quiet where all goes well: B has only dialled before C was there, which -R lets it.
      expect(logOf(folder, "b.log")).toBe("");
    },
  );
});

/** C is at 10.9.0.3 for both of the others, and passes no packet on. */
async function threeMachines(): Promise<Readonly<Record<Machine, Network>>> {
  const c = await Network.make("ip link set lo up");
  onTestFinished(() => c[Symbol.dispose]());
  const machines: Record<Machine, Network> = { a: c, b: c, c };
  for (const [name, address] of [
    ["a", "10.9.0.1"],
    ["b", "10.9.0.2"],
  ] as const) {
    const machine = await Network.make("ip link set lo up", c);
    onTestFinished(() => machine[Symbol.dispose]());
    machines[name] = machine;
    await c.run("ip", "link", "add", `to-${name}`, "type", "veth", "peer", "c", "netns", machine.pid);
    await c.run("ip", "addr", "add", "10.9.0.3", "peer", address, "dev", `to-${name}`);
    await c.run("ip", "link", "set", `to-${name}`, "up");
    await machine.run("ip", "addr", "add", address, "peer", "10.9.0.3", "dev", "c");
    await machine.run("ip", "link", "set", "c", "up");
  }
  return machines;
}

/** A shell there, which ends what it has started once its input is over: at the latest with the test. */
function onMachine(machine: Network, folder: string, script: string): Program {
  const whole = [
    FIND_RINGWAY,
    `cd ${folder}`,
    "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT",
    script,
    "cat",
  ];
  const [command, ...words] = [...machine.under, "bash", "-c", whole.join("\n")];
  const shell = new Program(command!, words, { env: { NODE_OPTIONS: "" } });
  onTestFinished(async () => {
    shell.child.stdin!.end();
    shell.kill("SIGTERM");
    await shell.exited;
  });
  return shell;
}

function logOf(folder: string, name: string): string {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
