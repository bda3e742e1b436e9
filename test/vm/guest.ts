// A guest in its machine with what runs in it: the agent, and a web server behind the published port.

import { inject } from "vitest";
import { until } from "../support/wait.ts";
import { type Host, REGION_MIB } from "./host/host.ts";
import type { GuestName } from "./images/setup.ts";
import { type Bell, devices } from "./machine/devices.ts";
import type { Job } from "./machine/jobs.ts";
import { Machine } from "./machine/machine.ts";

const WWW = "/tmp/www";
/** Where the host's folder is mounted. */
export const MOUNTED = "/tmp/mounted";
const HTTPD_PORT = 8080;
/** Debian's has no web server of its own among what curl and wget need. */
const HTTPD: Record<GuestName, string> = {
  busybox: `httpd -f -p 127.0.0.1:${HTTPD_PORT} -h ${WWW}`,
  debian: `busybox httpd -f -p 127.0.0.1:${HTTPD_PORT} -h ${WWW}`,
  node: `node /opt/ringway/programs/httpd.mjs ${HTTPD_PORT} ${WWW}`,
};

export const PROXY = "-x http://127.0.0.1:3128";
export const SOCKS = "--socks5-hostname 127.0.0.1:1080";

export async function startMachine(
  name: GuestName,
  host: Host,
  bell: Bell = "virtio port",
): Promise<Machine> {
  const { memory, doorbell } = host;
  const image = inject("images")[name];
  return await Machine.start({ image, devices: devices({ memory, memoryMib: REGION_MIB, doorbell }, bell) });
}

export class Guest {
  readonly name: GuestName;
  readonly vm: Machine;
  readonly host: Host;
  #jobs: Job[] = [];

  constructor(name: GuestName, vm: Machine, host: Host) {
    this.name = name;
    this.vm = vm;
    this.host = host;
  }

  /** After each boot. Does not wait for the monitor, which may come later. */
  async startPrograms(options = ""): Promise<void> {
    await this.vm.output(`mkdir -p ${WWW} ${MOUNTED}; echo ready >${WWW}/ready`);
    const published = `127.0.0.1:${this.host.publishedPort}:${HTTPD_PORT}`;
    const agent = `ringway-agent --mount /data:${MOUNTED} --publish ${published} ${options}`;
    this.#jobs = [agent, HTTPD[this.name]].map((command) => this.vm.start(command));
  }

  async stopPrograms(): Promise<void> {
    for (const job of this.#jobs) job.kill();
    await Promise.all(this.#jobs.map((job) => job.end()));
  }

  /** The agent has found its monitor, both ways. */
  async connected(): Promise<void> {
    const { web, publishedPort } = this.host;
    await until(
      "the agent to reach its monitor",
      async () => (await this.vm.run(`curl -sf -m 5 ${PROXY} ${web.url}/hello`)).stdout === "hello\n",
      20_000,
    );
    const ready = `http://127.0.0.1:${publishedPort}/ready`;
    await until("the published port", () => says(ready, "ready\n"), 20_000);
  }

  /** The path of a file that the guest's web server serves. */
  served(name: string): string {
    return `${WWW}/${name}`;
  }

  report(): string {
    const jobs = this.#jobs.map(({ command, stdout, stderr }) => `$ ${command}\n${stdout}${stderr}`);
    return `── console\n${this.vm.console}\n── in the guest\n${jobs.join("\n")}\n── monitor\n${this.host.report()}`;
  }
}

async function says(url: string, text: string): Promise<boolean> {
  try {
    const response = await fetch(url, {
      headers: { connection: "close" },
      signal: AbortSignal.timeout(2000),
    });
    return (await response.text()) === text;
  } catch {
    return false;
  }
}
