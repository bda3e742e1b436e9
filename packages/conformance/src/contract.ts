// What a testee is asked, and how it answers: docs/conformance.md says it for people who write one.
//
// A testee is a guest that does one small thing when asked and says what came of it. It never waits: "again" is an
// answer. So the suite, which is the host, has every step in its hand: between two commands nothing moves in the region
// but by itself.

import type { SharedMemory } from "@ringway/linux";
import type { Fields } from "./catalogue.ts";

/** How things stand; the fields of a reply depend on it. */
export type Status =
  /** It was done. */
  | "ok"
  /** Not now: full, empty, or not answered yet. */
  | "again"
  /** End of stream, every byte before it taken. */
  | "end"
  /** The host reads no more, or this side has closed. */
  | "closed"
  /** The stream broke: ECONNRESET. */
  | "reset"
  /** The host said no; `errno` says why. */
  | "refused"
  /** A value that the protocol cannot carry; nothing was sent. */
  | "invalid"
  /** This guest found that the host broke the protocol (ERR-5). */
  | "violation"
  // How the guest stands with the host, as poll answers.
  | "waiting"
  | "attached"
  | "lost"
  | "failed"
  | "detached";

export type Command =
  | { readonly do: "attach"; readonly path?: string; readonly bytes?: number }
  | { readonly do: "poll" | "sleep" | "detach" }
  | {
      readonly do: "open";
      readonly stream: string;
      readonly protocol: number;
      readonly body: string;
      readonly toHost: number;
      readonly toGuest: number;
    }
  | {
      readonly do: "accept";
      readonly stream: string;
      readonly listener: string;
      readonly toHost: number;
      readonly toGuest: number;
    }
  | { readonly do: "opened" | "frame" | "end" | "stop" | "close" | "reset"; readonly stream: string }
  | { readonly do: "send"; readonly stream: string; readonly data: string }
  | { readonly do: "recv"; readonly stream: string; readonly max: number }
  | { readonly do: "request"; readonly stream: string; readonly type: number; readonly payload: string }
  | { readonly do: "position"; readonly stream: string; readonly position: number }
  | { readonly do: "control"; readonly message: string; readonly fields: Fields }
  | { readonly do: "reply" }
  | { readonly do: "encode"; readonly message: string; readonly fields: Fields }
  | { readonly do: "decode"; readonly message: string; readonly payload: string };

export interface Reply {
  readonly status?: Status;
  /** The testee lacks what was asked; nothing was done. */
  readonly unsupported?: boolean;
  /** How often the guest rang the host's bell on account of this command. */
  readonly rings?: number;
  /** poll: streams that were found pending, by their names. */
  readonly pending?: readonly string[];
  /** sleep: true where the guest would wait for a ring now. */
  readonly asleep?: boolean;
  readonly errno?: number;
  /** A number of ERR-4: the host's of "failed", or the one that this guest found. */
  readonly violation?: number;
  readonly id?: number;
  readonly generation?: number;
  readonly type?: number;
  readonly request?: number;
  /** Bytes in hex. */
  readonly payload?: string;
  readonly data?: string;
  readonly bytes?: number;
  readonly fields?: Fields;
  /** For people: anything. */
  readonly why?: string;
}

/** One guest under test. With an attach that names a file comes `memory`: the same bytes, mapped in this process. */
export interface Testee extends AsyncDisposable {
  readonly name: string;
  ask(command: Command, memory?: SharedMemory): Promise<Reply>;
}

/** The whole testee is unsupported: its program ended with 127. */
export class TesteeUnsupported extends Error {
  override readonly name: string = "TesteeUnsupported";
}

/** The testee did not keep the contract: it ended, was silent, or said what is no reply. */
export class TesteeBroken extends Error {
  override readonly name: string = "TesteeBroken";
}

/** Testees were started again and again, and none has ever answered: it is none, or cannot begin. */
export class TesteeMute extends Error {
  override readonly name: string = "TesteeMute";
}

/** There is no such program: nothing of it can be tested. */
export class TesteeMissing extends Error {
  override readonly name: string = "TesteeMissing";
}
