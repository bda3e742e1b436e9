import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { bytesFor, ratiosOf, summarize, type TurnSample } from "../src/turns.ts";
import { Control } from "../src/vm/control.ts";
import { split, threadTimes } from "../src/vm/cpu.ts";
import { runVmRow, type VmMedium, type VmRunOptions } from "../src/vm/measure.ts";
import { formatVmMarkdown, formatVmTerminal, type VmReport, vmJson } from "../src/vm/report.ts";
import { type MediumName, VM_RATIO_KEYS, VM_ROWS } from "../src/vm/rows.ts";

const MiB = 1024 * 1024;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A /proc with one process, of these threads. */
function procOf(threads: Record<string, { comm: string; schedstat: string }>): string {
  const proc = mkdtempSync(join(tmpdir(), "ringway-proc-"));
  folders.push(proc);
  for (const [id, { comm, schedstat }] of Object.entries(threads)) {
    const task = join(proc, "7", "task", id);
    mkdirSync(task, { recursive: true });
    writeFileSync(join(task, "comm"), `${comm}\n`);
    writeFileSync(join(task, "schedstat"), schedstat);
  }
  return proc;
}

describe("the CPU of a machine", () => {
  it("is the guest's in the threads of processors, and the host's in all others", () => {
    const proc = procOf({
      7: { comm: "qemu-system-x86", schedstat: "2000000000 5 9\n" },
      8: { comm: "call_rcu", schedstat: "500000000 0 1\n" },
      9: { comm: "CPU 0/TCG", schedstat: "3000000000 77 12\n" },
      10: { comm: "CPU 1/KVM", schedstat: "1000000000 77 12\n" },
    });
    expect(split(threadTimes(7, proc))).toEqual({ guest: 4, host: 2.5 });
  });

  it("leaves out a thread that ends while it is looked at", () => {
    const proc = procOf({ 7: { comm: "qemu-system-x86", schedstat: "1000000000 0 1" } });
    mkdirSync(join(proc, "7", "task", "8"));
    expect(threadTimes(7, proc)).toEqual([{ name: "qemu-system-x86", seconds: 1 }]);
  });
});

const sample = (value: number): TurnSample => ({ value, work: 0.5, cpu: { guest: 0.25, host: 1 } });
const [bulkOut, , rtt] = VM_ROWS;

describe("ratios", () => {
  it("are Ringway's over the peer's within each round, and of those the median", () => {
    const peers = [
      summarize("ringway", [sample(900), sample(600), sample(800)], 1),
      summarize("slirp", [sample(100), sample(200), sample(100)], 1),
    ];
    expect(ratiosOf(bulkOut!, peers)).toEqual([
      { key: "bulkOutVsSlirp", against: "slirp", bar: { least: 3 }, value: 8, rounds: [9, 3, 8] },
    ]);
    expect(peers[0]!.cpu).toEqual({ guest: 0.5, host: 2 });
  });

  it("have names that are the JSON's", () => {
    const keys = VM_ROWS.flatMap(({ ratios }) => ratios.map(({ key }) => key));
    expect(keys.sort()).toEqual([...VM_RATIO_KEYS].sort());
  });
});

/** A guest that answers by itself. */
class Played implements VmMedium {
  readonly name: MediumName;
  readonly asked: string[] = [];
  readonly #answer: (line: string) => unknown;
  #seconds = 0;

  constructor(name: MediumName, answer: (line: string) => unknown) {
    this.name = name;
    this.#answer = answer;
  }

  cpu(): { guest: number; host: number } {
    this.#seconds++;
    return { guest: this.#seconds, host: 0 };
  }

  async request(line: string): Promise<unknown> {
    this.asked.push(line);
    return this.#answer(line);
  }
}

const bytesIn = (line: string): number => Number(line.split(" ")[1]);
function runOptions(changed: Partial<VmRunOptions> = {}): VmRunOptions {
  return {
    rounds: 2,
    seconds: 1,
    roundTrips: 500,
    ports: { sink: 1, source: 2, echo: 3 },
    deadline: Number.POSITIVE_INFINITY,
    failures: [],
    leftOut: [],
    shortened: [],
    onRound: () => {},
    ...changed,
  };
}

describe("a row", () => {
  it("gives each medium what it moves in the time that is meant", async () => {
    const at = (bytesPerSecond: number) => (line: string) => ({
      bytes: bytesIn(line),
      microseconds: (bytesIn(line) / bytesPerSecond) * 1e6,
    });
    const fast = new Played("ringway", at(400 * MiB));
    const slow = new Played("slirp", at(20 * MiB));
    const { peers, ratios } = await runVmRow(bulkOut!, [fast, slow], runOptions());
    expect(fast.asked).toEqual([`out ${8 * MiB} 1`, ...Array(2).fill(`out ${400 * MiB} 1`)]);
    expect(slow.asked).toEqual([`out ${8 * MiB} 1`, ...Array(2).fill(`out ${20 * MiB} 1`)]);
    expect(ratios[0]!.value).toBeCloseTo(20);
    expect(peers[1]!.cpu.guest).toBeCloseTo(1024 / 20);
  });

  it("goes on without a medium that fails, and says so", async () => {
    const good = new Played("ringway", () => ({ p50Us: 50, p99Us: 90 }));
    const bad = new Played("passt", (line) => {
      if (line.startsWith("rtt 500")) throw new Error("hung up");
      return { p50Us: 300, p99Us: 900 };
    });
    const media: VmMedium[] = [good, bad];
    const options = runOptions();
    const { peers, ratios } = await runVmRow(rtt!, media, options);
    expect(options.failures).toEqual(["rtt: passt: hung up"]);
    expect(media).toEqual([good]);
    expect(peers.map(({ medium }) => medium)).toEqual(["ringway"]);
    expect(ratios).toEqual([]);
  });

  it("has one round at least, however late it is", async () => {
    const only = new Played("ringway", () => ({ p50Us: 50, p99Us: 90 }));
    const options = runOptions({ deadline: 0 });
    const { peers } = await runVmRow(rtt!, [only], options);
    expect(peers[0]!.rounds).toHaveLength(1);
    expect(options.shortened).toEqual(["rtt: time was up after 1 of 2 rounds"]);
  });

  it("moves whole MiB, neither next to nothing nor for ever", () => {
    expect(bytesFor(100.4 * MiB, 1)).toBe(100 * MiB);
    expect(bytesFor(1, 1)).toBe(8 * MiB);
    expect(bytesFor(1e12, 1)).toBe(4096 * MiB);
  });
});

describe("the report", () => {
  const peers = [summarize("ringway", [sample(900e6)], 1), summarize("slirp", [sample(450e6)], 1)];
  const report: VmReport = {
    machine: { CPU: "2 × one" },
    quick: true,
    rounds: 5,
    seconds: 40,
    guestBusyPollUs: 200,
    rows: [{ ...bulkOut!, peers, ratios: ratiosOf(bulkOut!, peers) }],
    leftOut: ["passt is not installed"],
    shortened: ["rtt: time was up after 1 of 2 rounds"],
    failures: [],
  };

  it("tells what was missed, and by how much", () => {
    expect(formatVmTerminal(report)).toMatch(/900 MB\/s.*450 MB\/s.*2\.00 QEMU user.*≥ 3.*below/);
    expect(formatVmMarkdown(report)).toContain("| 2.00 QEMU user | ≥ 3 | below |");
    expect(formatVmTerminal(report)).toContain("Left out: passt is not installed.");
    const long = { ...report, leftOut: [`rtt: passt: ${"a word ".repeat(40)}`] };
    const lines = formatVmMarkdown(long)
      .split("\n")
      .filter((line) => !line.startsWith("|"));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
    expect(formatVmTerminal(report)).toContain("Fewer rounds: rtt: time was up after 1 of 2 rounds.");
  });

  it("has null in its JSON for what was not measured", () => {
    const { vm } = vmJson(report) as { vm: Record<string, number | null> };
    expect(Object.keys(vm)).toEqual([...VM_RATIO_KEYS]);
    expect(vm.bulkOutVsSlirp).toBe(2);
    expect(vm.rttVsPasst).toBeNull();
  });

  it("is no more than what is missing where nothing was measured", () => {
    const nothing = { ...report, rows: [], shortened: [], leftOut: ["qemu-system-x86_64 is not installed"] };
    expect(formatVmTerminal(nothing).split("\n")).toHaveLength(2);
    expect(Object.values((vmJson(nothing) as { vm: object }).vm)).toEqual(Array(6).fill(null));
  });
});

describe("the bench's end of a guest", () => {
  it("asks by the line and takes the answer as JSON", async () => {
    using control = await Control.listen("guest");
    const guest = connect(control.port, "127.0.0.1");
    guest.on("data", (line) => guest.write(`{"echo":${JSON.stringify(String(line).trim())}}\n`));
    await control.connected(5000);
    expect(await control.request("rtt 1 2", 5000)).toEqual({ echo: "rtt 1 2" });
    guest.destroy();
  });

  it("rejects what waits when the guest hangs up, and all that comes after", async () => {
    using control = await Control.listen("guest");
    const guest = connect(control.port, "127.0.0.1");
    guest.once("data", () => guest.destroy());
    await control.connected(5000);
    await expect(control.request("out 1 2", 5000)).rejects.toThrow("guest has closed its connection");
    await expect(control.request("out 1 2", 5000)).rejects.toThrow("guest has closed its connection");
  });

  it("says why nobody came", async () => {
    using control = await Control.listen("guest");
    control.end("QEMU ended: exit code 1");
    await expect(control.connected(5000)).rejects.toThrow("QEMU ended: exit code 1");
  });

  it("waits no longer than it may", async () => {
    using control = await Control.listen("guest");
    await expect(control.connected(20)).rejects.toThrow("guest: starting took longer than 0.02 s");
  });
});
