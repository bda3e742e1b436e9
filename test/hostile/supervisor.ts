// One run against the hostile guest: a monitor, a well-behaved guest and the hostile one, each in a process of its own;
// and what must hold all the time. How the well-behaved guest fares is measured in pairs, undisturbed and disturbed,
// and judged by the medians, because a machine with other work on it slows both. The hostile process is confined as a
// hypervisor or a cgroup would confine it (confine.ts): its own hunger for the processor is not the monitor's doing.
// The first few pairs are taken before that, to be printed and not judged: what one loses who does not confine it.

import { setTimeout as delay } from "node:timers/promises";
import { until } from "../support/wait.ts";
import type { Tally } from "./attacker.ts";
import { ANSWER_MS, Child, here } from "./child.ts";
import { compiled } from "./compiled.ts";
import {
  type Fares,
  isSettled,
  type Judged,
  judge,
  P99_TIMES_MAX,
  type Pair,
  THROUGHPUT_SHARE_MIN,
} from "./fares.ts";
import { cpuSeconds, holdings, makeWorld, residentMib, type World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  /**
   * Done after so many mutations, or so many steps, or so long, whatever comes first, but of the time not before all
   * pairs are measured; 0: no such bound.
   */
  readonly mutations: number;
  readonly steps: number;
  readonly minutes: number;
  readonly from: number;
  /**
   * Measurements of the well-behaved guest that are judged, each undisturbed and disturbed. Where there are none, the
   * hostile process is not confined.
   */
  readonly pairs: number;
  /** What is asked of a pair; once more than half of them keep it, no more are measured. */
  readonly keeps?: (pair: Pair) => boolean;
  /** Those that come first, and are not judged. */
  readonly unconfinedPairs: number;
  readonly windowMs: number;
  readonly say?: (line: string) => void;
}

export interface Report extends Judged {
  readonly seed: number;
  readonly tally: Tally;
  readonly seconds: number;
  readonly failures: readonly string[];
  /** The same with a hostile process that has the share of the processor that any other has. */
  readonly unconfined: Judged | undefined;
  readonly monitor: {
    readonly cpuShare: number;
    readonly residentMib: readonly number[];
    readonly descriptors: readonly number[];
    readonly heapMib: readonly number[];
  };
  readonly counters: Readonly<Record<string, number>>;
  readonly logged: {
    readonly bugs: readonly string[];
    readonly violations: Readonly<Record<string, number>>;
    readonly refusals: Readonly<Record<string, number>>;
    readonly reasons: Readonly<Record<string, number>>;
  };
  /** The hostile guest's last actions, where something failed. */
  readonly last: readonly string[];
}

/** What the monitor may keep when all guests are gone, beside what it had before the first. */
const HEAP_GROWTH_MIB = 16;
const RESIDENT_GROWTH_MIB = 160;
interface MonitorMemory {
  readonly reactor: { readonly heapUsed: number; readonly external: number };
  readonly rss: number;
}

export async function run(options: RunOptions): Promise<Report> {
  const say = options.say ?? (() => {});
  const failures: string[] = [];
  await using world = await makeWorld();
  using monitor = new Child(process.execPath, [
    "--expose-gc",
    here("monitor-child.mjs"),
    world.socket,
    world.policyFile,
  ]);
  await monitor.ask("");
  const heapBefore = heapMib(await monitor.ask("memory"));
  using good = new Child(
    process.execPath,
    [await compiled("good-child.ts"), world.socket, String(world.quietPort)],
    (value: { wrong?: string }) => {
      if (value.wrong !== undefined) failures.push(`the well-behaved guest: ${value.wrong}`);
      return value.wrong !== undefined;
    },
  );
  await good.ask("");
  const descriptorsBefore = holdings(monitor.pid, world).descriptors;

  let tally: Tally = { steps: 0, mutations: 0, flips: 0, attaches: 0, ended: 0, streams: 0, novel: 0 };
  let paused = 0;
  let last: string[] = [];
  const { seed, mutations, steps, from } = options;
  const attackerOptions = JSON.stringify({
    path: world.socket,
    seed,
    targets: world.targets,
    mutations,
    steps,
    from,
    hurries: true,
  });
  // The attacker looks for it beside itself.
  await compiled("flipper.mjs");
  using attacker = new Child(
    process.execPath,
    [await compiled("attacker-child.ts"), attackerOptions],
    (value: { tally?: Tally; paused?: boolean; log?: string[] }) => {
      if (value.tally !== undefined) tally = value.tally;
      else if (value.log !== undefined) last = value.log;
      else paused++;
      return true;
    },
  );
  await until("the hostile guest", () => paused === 1, 20_000);

  const startMs = performance.now();
  const cpuBefore = cpuSeconds(monitor.pid);
  const residents: number[] = [];
  const heaps = [heapBefore];
  const descriptors: number[] = [];
  const unconfined: Pair[] = [];
  const confined: Pair[] = [];
  const { pairs, unconfinedPairs, keeps = () => false } = options;
  const measures = (round: number): boolean =>
    round < unconfinedPairs + pairs && !isSettled(confined, pairs, keeps);
  let going = false;

  const pause = async (): Promise<void> => {
    if (!going || attacker.ended !== undefined) return;
    going = false;
    const before = paused;
    attacker.tell("pause");
    await until(
      "the hostile guest to pause",
      () => paused > before || attacker.ended !== undefined,
      ANSWER_MS,
    );
  };
  const measure = (ms: number): Promise<Fares> => good.ask<Fares>(`measure ${ms}`, ms + ANSWER_MS);
  const rest = (ms: number): Promise<Fares> => good.ask<Fares>(`rest ${ms}`, ms + ANSWER_MS);
  const watch = async (): Promise<void> => {
    const { wrong, descriptors: now } = holdings(monitor.pid, world);
    descriptors.push(now);
    residents.push(Math.round(residentMib(monitor.pid)));
    failures.push(...wrong.map((what) => `the monitor holds ${what}`), ...world.harm());
    await monitor.ask("counters");
  };

  try {
    if (pairs > 0) await measure(1000);
    for (let round = 0; ; round++) {
      if (round === unconfinedPairs && pairs > 0) attacker.tell("confine");
      const measured = measures(round);
      let undisturbed: Fares | undefined;
      if (measured) {
        await pause();
        await rest(100);
        undisturbed = await measure(options.windowMs);
      }
      attacker.tell("go");
      going = true;
      if (measured) await rest(100);
      else await Promise.race([attacker.over, delay(1500)]);
      const fares = await measure(measured ? options.windowMs : 500);
      if (attacker.ended === undefined && undisturbed !== undefined)
        (round < unconfinedPairs ? unconfined : confined).push({ undisturbed, disturbed: fares });
      // Where there are pairs: without them nobody confines the hostile guest, which may have the machine to itself.
      // Twice, the second time for longer: much other work makes everybody wait that long once.
      const isJudged = pairs > 0 && attacker.ended === undefined;
      if (isJudged && fares.mibPerS === 0 && (await measure(2000)).mibPerS === 0)
        failures.push("the well-behaved guest got nothing through");
      await watch();
      const seconds = (performance.now() - startMs) / 1000;
      if (round % 10 === 0) {
        const memory = await monitor.ask<MonitorMemory>("memory");
        heaps.push(heapMib(memory));
        say(
          `${seconds.toFixed(0)} s, heap ${(memory.reactor.heapUsed / 2 ** 20).toFixed(2)} and ${(memory.reactor.external / 2 ** 20).toFixed(2)} MiB, ${tally.mutations} mutations, ${residents.at(-1)} MiB, ${descriptors.at(-1)} descriptors, ${fares.mibPerS.toFixed(0)} MiB/s, p99 ${fares.p99Us} us`,
        );
      }
      if (failures.length > 0 || monitor.ended !== undefined) break;
      if (attacker.ended !== undefined) break;
      if (options.minutes > 0 && seconds > options.minutes * 60 && !measures(round + 1)) break;
    }
  } catch (error) {
    failures.push(String(error));
  }
  if (attacker.ended !== undefined && attacker.ended !== "0")
    failures.push(`the hostile guest broke: ${attacker.errors}`);
  if (monitor.ended !== undefined)
    failures.push(`the monitor ended with ${monitor.ended}: ${monitor.errors}`);
  const seconds = (performance.now() - startMs) / 1000;

  let counters: Record<string, number> = {};
  let logged: Report["logged"] = { bugs: [], violations: {}, refusals: {}, reasons: {} };
  let cpuShare = 0;
  try {
    if (failures.length > 0) {
      attacker.tell("log");
      await until("the log", () => last.length > 0 || attacker.ended !== undefined, 3000).catch(() => {});
    }
    cpuShare = (cpuSeconds(monitor.pid) - cpuBefore) / seconds;
    attacker.tell("quit");
    await until("the hostile guest's end", () => attacker.ended !== undefined, ANSWER_MS);
    await rest(300);
    good.tell("quit");
    await aftermath(monitor, world, descriptorsBefore, failures);
    heaps.push(heapMib(await monitor.ask("memory")));
    residents.push(Math.round(residentMib(monitor.pid)));
    counters = await monitor.ask("counters");
    logged = await monitor.ask("log");
    await monitor.ask("close");
  } catch (error) {
    failures.push(String(error));
  }
  failures.push(...world.harm());
  if (logged.bugs.length > 0) failures.push(`internal errors: ${logged.bugs.join("\n")}`);
  if (heaps.at(-1)! - heapBefore > HEAP_GROWTH_MIB)
    failures.push(`the reactor's heap grew: ${heaps.join(" ")} MiB`);
  const early = Math.max(...residents.slice(0, Math.max(1, Math.floor(residents.length / 4))));
  if (Math.max(...residents) - early > RESIDENT_GROWTH_MIB)
    failures.push(`the monitor grew: ${residents.join(" ")} MiB`);

  const { throughputShare, p99Times, ...fares } = judge(confined);
  if (confined.length > 2) {
    if (throughputShare < THROUGHPUT_SHARE_MIN)
      failures.push(`the well-behaved guest kept ${throughputShare.toFixed(2)} of its throughput`);
    if (p99Times > P99_TIMES_MAX)
      failures.push(`its p99 round trip took ${p99Times.toFixed(1)} times as long as undisturbed`);
  }
  return {
    seed,
    tally,
    seconds,
    failures: [...new Set(failures)],
    ...fares,
    throughputShare,
    p99Times,
    unconfined: unconfined.length === 0 ? undefined : judge(unconfined),
    monitor: { cpuShare, residentMib: residents, descriptors, heapMib: heaps },
    counters,
    logged,
    last: failures.length > 0 ? last : [],
  };
}

/** For whoever looks at a run that has failed. */
export function told(report: Report): string {
  const { failures, tally, seconds, undisturbed, disturbed, throughputShare, p99Times, unconfined, last } =
    report;
  return JSON.stringify(
    { failures, tally, seconds, undisturbed, disturbed, throughputShare, p99Times, unconfined, last },
    undefined,
    1,
  );
}

/** With all guests gone the monitor holds nothing, and does nothing. */
async function aftermath(
  monitor: Child,
  world: World,
  descriptorsBefore: number,
  failures: string[],
): Promise<void> {
  const counters = (): Promise<Record<string, number>> => monitor.ask("counters");
  await until("all guests to be gone", async () => (await counters()).guests === 0, ANSWER_MS);
  if ((await counters()).streams !== 0) failures.push("streams are left when all guests are gone");
  const open = (): number => holdings(monitor.pid, world).descriptors;
  await until("descriptors to be closed", () => open() < descriptorsBefore, ANSWER_MS).catch((error) => {
    failures.push(`${error}: ${open()}, and ${descriptorsBefore} with the well-behaved guest alone`);
  });
  const idleFrom = cpuSeconds(monitor.pid);
  await delay(1000);
  const idle = cpuSeconds(monitor.pid) - idleFrom;
  if (idle > 0.3) failures.push(`with no guest the monitor uses ${idle.toFixed(2)} of a core`);
}

function heapMib({ reactor }: MonitorMemory): number {
  return Math.round(reactor.heapUsed / 2 ** 20);
}
