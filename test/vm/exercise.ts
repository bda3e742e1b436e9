// Everything that a guest does with its host: the same in each guest, and again after each thing that happens to them.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { Program } from "../support/processes.ts";
import { until } from "../support/wait.ts";
import { type Guest, MOUNTED, PROXY, SOCKS } from "./guest.ts";
import { BLOB_SUM, part } from "./host/web.ts";
import type { Machine } from "./machine/machine.ts";

const STREAMS = 200;
/** curl's own exit codes. */
const CURL_HTTP_ERROR = 22;
const CURL_PROXY_REFUSED = 97;

export async function exercise(guest: Guest): Promise<void> {
  await guest.connected();
  await hasNoNetworkCard(guest.vm);
  await downloads(guest);
  await serves(guest);
  await movesFiles(guest);
  await mounts(guest);
  await isRefused(guest);
  await opensManyAtOnce(guest);
}

/** Neither one that a driver drives nor one that waits for its driver: class 2 of PCI. */
export async function hasNoNetworkCard(vm: Machine): Promise<void> {
  expect(await vm.output("ls /sys/class/net")).toBe("lo");
  const classes = (await vm.output("cat /sys/bus/pci/devices/*/class")).split("\n");
  expect(classes.length).toBeGreaterThan(3);
  expect(classes.filter((line) => line.startsWith("0x02"))).toEqual([]);
}

async function downloads(guest: Guest): Promise<void> {
  const { vm, host } = guest;
  const byName = `http://localhost:${host.web.port}/blob`;
  const commands = [
    `curl -sSf ${PROXY} -o /tmp/blob ${host.web.url}/blob`,
    `curl -sSf ${SOCKS} -o /tmp/blob ${byName}`,
    `http_proxy=http://127.0.0.1:3128 wget -q -O /tmp/blob ${byName}`,
  ];
  for (const command of commands) {
    expect(await vm.output(`rm -f /tmp/blob; ${command} && sha256sum </tmp/blob`), command).toBe(
      `${BLOB_SUM}  -`,
    );
  }
  await vm.output(`mv /tmp/blob ${guest.served("blob")}`);
}

async function serves({ host }: Guest): Promise<void> {
  const file = join(host.folder, "served");
  using curl = new Program("curl", ["-sSf", "-o", file, `http://127.0.0.1:${host.publishedPort}/blob`]);
  await curl.succeeds(30_000);
  expect(sha256(readFileSync(file))).toBe(BLOB_SUM);
}

async function movesFiles({ vm, host }: Guest): Promise<void> {
  const bytes = pattern(8 * MiB + 5, Math.floor(Math.random() * 2 ** 30));
  const sum = sha256(bytes);
  writeFileSync(join(host.folder, "down"), bytes);
  await vm.output("rm -f /tmp/down; rwfs get /data/down /tmp/down");
  expect(await vm.output("sha256sum </tmp/down")).toBe(`${sum}  -`);
  await vm.output("rwfs put /tmp/down /data/up && rm /tmp/down");
  expect(sha256(readFileSync(join(host.folder, "up")))).toBe(sum);
}

/** The same folder as one of the guest's own, for programs that know nothing of it. */
async function mounts({ vm, host }: Guest): Promise<void> {
  const bytes = pattern(2 * MiB + 5, Math.floor(Math.random() * 2 ** 30));
  writeFileSync(join(host.folder, "mounted"), bytes);
  expect(await vm.output(`sha256sum <${MOUNTED}/mounted`)).toBe(`${sha256(bytes)}  -`);
  const made = `cd ${MOUNTED}; rm -rf d; mkdir d; cp mounted d/copy; mv d/copy d/moved; ln -s moved d/link`;
  const said = await vm.output(`${made}; chmod 640 d/moved; ls d; sha256sum <d/link`);
  expect(said).toBe(`link\nmoved\n${sha256(bytes)}  -`);
  expect(readFileSync(join(host.folder, "d/moved")).equals(bytes)).toBe(true);
  expect(statSync(join(host.folder, "d/moved")).mode & 0o777).toBe(0o640);
}

async function isRefused({ vm, host }: Guest): Promise<void> {
  const before = host.refusals.length;
  const proxy = await vm.run(`curl -sSf ${PROXY} http://forbidden.example/`);
  expect(proxy.exitCode, proxy.stderr).toBe(CURL_HTTP_ERROR);
  expect(proxy.stderr).toContain("403");
  const socks = await vm.run(`curl -sS ${SOCKS} http://169.254.169.254/`);
  expect(socks.exitCode, socks.stderr).toBe(CURL_PROXY_REFUSED);
  // The web server's address, and another port.
  const port = await vm.run(`curl -sSf ${PROXY} http://127.0.0.1:${host.web.port - 1}/`);
  expect(port.exitCode, port.stderr).toBe(CURL_HTTP_ERROR);
  expect(port.stderr).toContain("403");
  const lines = await until(
    "the audit log",
    () => host.refusals.length >= before + 3 && host.refusals.slice(before),
  );
  const asked = ["forbidden.example:80", "169.254.169.254:80", `127.0.0.1:${host.web.port - 1}`];
  expect(lines.map(({ what, rule }) => [what, rule])).toEqual(asked.map((what) => [what, "default"]));
}

/** None is answered before all are open. */
async function opensManyAtOnce({ vm, host }: Guest): Promise<void> {
  host.web.gather(STREAMS);
  const all = "rm -rf /tmp/many; mkdir /tmp/many; cd /tmp/many; curl -sSf -Z --parallel-immediate";
  const urls = `--parallel-max ${STREAMS} -o '#1' '${host.web.url}/together/[0-${STREAMS - 1}]'`;
  await vm.output(`${all} ${PROXY} ${urls}`, 60_000);
  expect(host.web.most).toBe(STREAMS);
  const sums = await vm.output(`cd /tmp/many; sha256sum $(seq 0 ${STREAMS - 1}); rm -r /tmp/many`);
  const expected = Array.from({ length: STREAMS }, (_, i) => `${sha256(part(i))}  ${i}`);
  expect(sums.split("\n")).toEqual(expected);
}
