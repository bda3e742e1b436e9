// The examples of docs/cat.md run as they stand, one after the other in one shell; those of machines A, B and C each in
// a network of its own: A and B reach C alone.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FIND_RINGWAY, ROOT, start } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { missing } from "./cats.ts";

const BLOCK = /^```(sh|text)(?: ([abc]))?\n([\s\S]*?)^```$/gm;
const blocks = [...readFileSync(join(ROOT, "docs/cat.md"), "utf8").matchAll(BLOCK)].map(
  ([, language, machine, text]) => ({ language: language!, machine, text: text! }),
);
const absent = ["unshare", "ip", "curl", "nsenter"].map(missing).find((why) => why !== undefined);

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

const SERVICE =
  'require("http").createServer(({ url }, to) => to.end(url.slice(1) + " from B\\n")).listen(8000, "127.0.0.1")';

/** A and B are networks of their own, each with a cable to C, which is this one. */
const MACHINES = `
mine=$(readlink /proc/self/ns/net)
machine() { # NAME LAST
  unshare --net sleep infinity &
  eval "$1=$!"
  until [ "$(readlink /proc/$!/ns/net)" != "$mine" ]; do sleep 0.05; done
  ip link add "c$1" type veth peer name eth netns $!
  ip addr add 10.9.0.3/32 dev "c$1" && ip link set "c$1" up && ip route add 10.9.0.$2 dev "c$1"
  on "$1" "ip link set lo up; ip addr add 10.9.0.$2/32 dev eth; ip link set eth up; ip route add 10.9.0.3 dev eth"
}
on() { eval "nsenter --net --target=\\$$1 bash -c \\"\\$2\\""; }
machine a 1
machine b 2
`;

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

  test("lets machine A reach B's service through C, though nobody can connect to either", async () => {
    const script = `${MACHINES}
on b 'exec node -e '"'"'${SERVICE}'"'" &
! on a 'curl -s -m 1 --noproxy "*" http://10.9.0.2:8000/'
${scriptOf("c")}
until grep -qs "listening.*:7002" c.log; do sleep 0.1; done
on b '${scriptOf("b")} exec sleep infinity' &
on a '${scriptOf("a")}'`;
    const { code, stdout, stderr } = await run(script);
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: printedBy(true) });
  });
});
