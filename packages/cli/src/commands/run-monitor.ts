// The monitor of `ringway run`, in this process. It takes longer to load than all else: the program runs before it is
// ready, and what that asks waits in the agent. So its logger, some 30 files, is made with it.
//
//   loading ── start() ──> ready ── end() ──> closed
//      ├── end() ──> nobody was served, and nobody waits
//      └── it cannot start, or fails later ──> failed

import { exitNow } from "@ringway/linux";
import { type Denial, Monitor, type Policy } from "@ringway/monitor";
import type { Logger } from "pino";
import { errorLine, Failure } from "../errors.ts";
import { auditFailure } from "./audit.ts";
import { raiseLimit } from "./monitor.ts";

export class OwnMonitor {
  /** Rejects where it cannot start, and where it fails later; pending else. */
  readonly failed: Promise<never>;
  readonly #begin: () => Promise<Monitor>;
  readonly #loading: AbortController = new AbortController();
  /** Resolves when its socket takes guests, and its audit file is open. */
  readonly ready: Promise<void>;
  #fail: (error: Error) => void = () => {};
  #becomeReady: () => void = () => {};
  #monitor: Monitor | undefined;

  /** `listen`: the path of its socket; `audit`: of the audit file. */
  constructor(policy: Policy, listen: string, audit: string | undefined, makeLogger: () => Logger) {
    const { signal } = this.#loading;
    this.#begin = async () => {
      const logger = makeLogger();
      raiseLimit(logger);
      try {
        return await Monitor.start({
          policy,
          logger,
          signal,
          listen,
          ...(audit === undefined ? {} : { audit }),
        });
      } catch (error) {
        throw auditFailure(error, audit) ?? error;
      }
    };
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve;
    });
  }

  /** Calls `ready` when its socket takes guests, and `refused` with what a rule denies. */
  start(refused: (denial: Denial) => void, ready: () => void): void {
    const take = (monitor: Monitor): void => {
      if (this.#loading.signal.aborted) {
        // Nobody waits for it, nor hears of it.
        monitor.close({ drainMs: 0 }).catch(() => {});
        return;
      }
      process.off("exit", this.#leaveEarly);
      this.#monitor = monitor;
      monitor.on("refused", refused);
      monitor.on("error", (error) =>
        this.#fail(new Failure(`the monitor failed: ${errorLine(error)}`, { cause: error })),
      );
      ready();
      this.#becomeReady();
    };
    process.on("exit", this.#leaveEarly);
    this.#begin()
      .then(take)
      .catch((error: Error) => this.#fail(error));
  }

  /**
   * Where the process ends before its threads have loaded, it would wait for them. They have served nobody. It is the
   * last handler that is called then: what is to be done before stands in front, and the threads' own comes behind.
   */
  readonly #leaveEarly = (code: number): void => exitNow(code);

  get isReady(): boolean {
    return this.#monitor !== undefined;
  }

  /** What is under way has so long. One that is not ready has served nobody, and is not waited for. */
  async end(drainMs: number): Promise<void> {
    this.#loading.abort();
    await this.#monitor?.close({ drainMs });
  }
}
