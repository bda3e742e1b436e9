// What was refused, for people: a line as it happens.

import type { Denial } from "@ringway/monitor";
import { plain } from "../admin/text.ts";

/** Lines of the agent's that say what the policy refused (docs/agent.md). */
const REFUSED =
  /^ringway-agent: (?:\S+(?: UDP)? to|publish) (.*?)(?:, for (.*) \(pid \d+\))?: Permission denied(?:: (.*))?$/;
/** Those that say that a port is not the host's, for another reason than a rule. */
const UNPUBLISHED = /^ringway-agent: (publish \S+ to \d+: (?!Permission denied: ).*|--publish auto.*)$/;
/** Its lines of a monitor that was stopped, or stands still. */
const SILENCE = /^ringway-agent: (the monitor (?:has not answered|answers again).*)$/;
/** One that asks for ever for other things must not fill this process. */
const KEPT_MAX = 10_000;

/** A line for each refusal, once; undefined where it was there already. */
export class RefusalLines {
  readonly #told: Set<string> = new Set();
  readonly #dim: boolean;

  constructor(dim: boolean) {
    this.#dim = dim;
  }

  /** As the monitor tells it. */
  ofDenial({ reason, rule }: Pick<Denial, "reason" | "rule">): string | undefined {
    return this.#once(`refused: ${reason}${reason.includes(rule) ? "" : ` (rule ${rule})`}`);
  }

  /** As the agent of another process's monitor logs it; undefined for its other lines, too. */
  ofAgent(line: string): string | undefined {
    const [, what, program, reason] = REFUSED.exec(line) ?? [];
    if (what === undefined) return undefined;
    const whose = program === undefined ? "" : `, for ${program}`;
    return this.#once(`refused${whose}: ${reason ?? what}`);
  }

  /** Of a port that the agent cannot publish; undefined for its other lines. */
  ofPort(line: string): string | undefined {
    const [, what] = UNPUBLISHED.exec(line) ?? [];
    return what === undefined ? undefined : this.#once(what);
  }

  /** That the other process's monitor is silent, or is so no more; undefined for its other lines. */
  ofSilence(line: string): string | undefined {
    const [, what] = SILENCE.exec(line) ?? [];
    return what === undefined ? undefined : this.#shown(what);
  }

  #once(what: string): string | undefined {
    if (this.#told.has(what) || this.#told.size > KEPT_MAX) return undefined;
    this.#told.add(what);
    return this.#shown(this.#told.size > KEPT_MAX ? "more is refused than is told here" : what);
  }

  #shown(what: string): string {
    // A name, or that of a program, is text and no more.
    const text = `ringway: ${plain(what)}`;
    return this.#dim ? `\x1b[2m${text}\x1b[0m\n` : `${text}\n`;
  }
}
