// Guests made from the TypeScript one by changing one thing: those with a mistake, which the suite must find, and odd
// ones that keep every clause, which it must pass.

import type { SharedMemory } from "@ringway/linux";
import { frameBytes } from "../../packages/conformance/src/catalogue.ts";
import type { Command, Reply } from "../../packages/conformance/src/contract.ts";
import { CONTROL_TO_HOST, Place } from "../../packages/conformance/src/host/host.ts";
import { Bell, P, PAGE, Sb, State } from "../../packages/conformance/src/host/layout.ts";
import { TypeScriptGuest } from "../../packages/conformance/src/typescript/guest.ts";

/** What a change can see and do: the region's words, and the guest that is changed. */
export interface Inside {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** The unchanged guest's answer. */
  readonly ask: (command: Command) => Reply;
}

/** One change: of the command before the guest has it, or of its answer. */
export interface Change {
  readonly before?: (command: Command, inside: Inside | undefined) => Command;
  readonly after?: (command: Command, reply: Reply, inside: Inside) => Reply;
}

export class ChangedGuest extends TypeScriptGuest {
  readonly #change: Change;
  #inside: Inside | undefined;

  /** `change` makes a change with a memory of its own. */
  constructor(change: () => Change) {
    super();
    this.#change = change();
  }

  override answer(command: Command, memory?: SharedMemory): Reply {
    if (memory !== undefined) {
      const ask = (other: Command): Reply => super.answer(other);
      this.#inside = { words: new Int32Array(memory.buffer), bytes: new Uint8Array(memory.buffer), ask };
    }
    const changed = this.#change.before?.(command, this.#inside) ?? command;
    const reply = super.answer(changed, memory);
    if (this.#inside === undefined) return reply;
    return this.#change.after?.(command, reply, this.#inside) ?? reply;
  }
}

/** The first block that the suite's host gives out. */
const FIRST = Place.HEAP * PAGE;
const word = ({ words }: Inside, offset: number): number => words[offset / 4]! >>> 0;
const set = ({ words }: Inside, offset: number, value: number): void => {
  words[offset / 4] = value;
};
const onPoll =
  (does: (inside: Inside, reply: Reply) => Reply | undefined) =>
  (command: Command, reply: Reply, inside: Inside): Reply =>
    (command.do === "poll" ? does(inside, reply) : undefined) ?? reply;
/** Each answer of one status becomes another. */
const says = (from: Reply["status"], to: Reply["status"], of?: Command["do"]) => (): Change => ({
  after: (command, reply) =>
    reply.status === from && (of === undefined || command.do === of) ? { ...reply, status: to! } : reply,
});

/** Both closed words of the first stream are stored, and the signal for the second is taken back. */
function withoutLastSignal(): Change {
  const at = [P.TO_HOST_END, P.TO_GUEST_STOPPED].map((offset) => FIRST + offset);
  const bells = Place.BELL * PAGE;
  let before: Int32Array | undefined;
  return {
    before(command, inside) {
      before = inside?.words.slice(bells / 4, (bells + Bell.TO_GUEST) / 4);
      return command;
    },
    after(command, reply, inside) {
      const closes = ["end", "stop"].includes(command.do);
      if (closes && at.every((offset) => word(inside, offset) !== 0)) inside.words.set(before!, bells / 4);
      return reply;
    },
  };
}

/** A reply is taken because it is the next: the id in its header becomes the one that was asked with last. */
function takesTheNextReply(): Change {
  const control = Place.CONTROL * PAGE;
  const asked = control + PAGE;
  const replies = asked + CONTROL_TO_HOST;
  let last = 0;
  return {
    before(command, inside) {
      if (command.do !== "poll" || inside === undefined) return command;
      const read = word(inside, control + P.TO_GUEST_READ);
      if (word(inside, control + P.TO_GUEST_WRITTEN) !== read && last !== 0)
        set(inside, replies + read + 8, last);
      return command;
    },
    after(command, reply, inside) {
      // NewStream has 20 bytes, and is the only request of the cases in which this counts.
      const at = word(inside, control + P.TO_HOST_WRITTEN) - 20;
      if (command.do === "open" && at >= 0) last = word(inside, asked + at + 8);
      return reply;
    },
  };
}

export const MISTAKES: readonly (readonly [what: string, clause: string, change: () => Change])[] = [
  ["takes a reset for the end", "RING-8", says("reset", "end")],
  [
    "does not ring when it attaches",
    "ATT-2",
    () => ({ after: (command, reply) => (command.do === "attach" ? { ...reply, rings: 0 } : reply) }),
  ],
  [
    "does not ring who sleeps",
    "BELL-8",
    () => ({ after: (command, reply) => (command.do === "send" ? { ...reply, rings: 0 } : reply) }),
  ],
  [
    "closes where it should reset",
    "RING-8",
    () => ({
      before: (command) => (command.do === "reset" ? { ...command, do: "close" } : command),
    }),
  ],
  [
    "takes a violation for an empty ring",
    "RING-4",
    () => ({ after: (_, reply) => (reply.status === "violation" ? { status: "again" } : reply) }),
  ],
  [
    "loses the last byte",
    "RING-3",
    () => ({
      after: (_, reply) => (reply.data === undefined ? reply : { ...reply, data: reply.data.slice(2) }),
    }),
  ],
  [
    "writes a word of the host's",
    "SB-3",
    () => ({
      after: onPoll((inside) => {
        set(inside, Sb.HOST_BEAT, word(inside, Sb.HOST_BEAT) + 1);
        return undefined;
      }),
    }),
  ],
  [
    "touches the control pipe before it is attached",
    "ATT-1",
    () => ({
      after(command, reply, inside) {
        if (command.do === "attach") set(inside, Place.CONTROL * PAGE + P.TO_GUEST_WANT_DATA, 1);
        return reply;
      },
    }),
  ],
  [
    "accepts features",
    "VER-3",
    () => ({
      after(command, reply, inside) {
        if (command.do === "attach") set(inside, Sb.ACCEPTED, word(inside, Sb.FEATURES));
        return reply;
      },
    }),
  ],
  ["stays on an epoch that is over", "ATT-8", says("lost", "attached")],
  [
    "attaches again at once when it finds FAILED",
    "ATT-8",
    () => ({
      after: onPoll((inside, reply) => {
        if (reply.status === "failed") inside.ask({ do: "attach" });
        return undefined;
      }),
    }),
  ],
  [
    "goes on reading where an end is taken back",
    "RING-10",
    () => ({
      after: (command, reply, inside) =>
        command.do === "recv" && reply.status === "end" && word(inside, FIRST + P.TO_GUEST_END) === 0
          ? { status: "again" }
          : reply,
    }),
  ],
  ["leaves out the signal after its second closed word", "STR-7", withoutLastSignal],
  [
    "echoes the host's minor version",
    "VER-2",
    () => ({
      after(command, reply, inside) {
        if (command.do === "attach") set(inside, Sb.GUEST_MINOR, word(inside, Sb.MINOR));
        return reply;
      },
    }),
  ],
  [
    "ignores RESETTING where the epoch has the same number",
    "SB-4",
    () => {
      let epoch = 0;
      return {
        before(command, inside) {
          // RESETTING without another number is hidden from the guest.
          if (inside === undefined || command.do !== "poll") return command;
          const state = word(inside, Sb.HOST_STATE);
          if (state === State.READY) epoch = word(inside, Sb.EPOCH);
          else if (state === State.RESETTING && word(inside, Sb.EPOCH) === epoch)
            set(inside, Sb.HOST_STATE, State.READY);
          return command;
        },
      };
    },
  ],
  [
    "waits for ever where the monitor that answered was replaced",
    "ATT-4",
    () => ({
      // As if its request were still the first: what it asked anew is taken back.
      after: onPoll((inside, reply) => {
        if (reply.status === "waiting" && word(inside, Sb.HOST_STATE) === State.RESETTING)
          set(inside, Sb.REQUEST, word(inside, Sb.REPLY));
        return undefined;
      }),
    }),
  ],
  [
    "rings once for its attach and never again",
    "ATT-4",
    () => ({ after: onPoll((_, reply) => (reply.status === "waiting" ? { ...reply, rings: 0 } : reply)) }),
  ],
  ["takes a control reply because it is the next one", "FRM-2", takesTheNextReply],
  ["takes the end amid a frame for an end", "FRM-3", says("violation", "end", "opened")],
  ["tells a writer of a broken stream that it was closed", "RING-7", says("reset", "closed", "send")],
  [
    "stores 0 to asleep before it looks at the superblock",
    "BELL-7",
    () => ({
      after: onPoll((inside) => {
        set(inside, Place.BELL * PAGE + Bell.TO_GUEST + Bell.ASLEEP, 0);
        return undefined;
      }),
    }),
  ],
];

/** Log goes on the ring in pieces, as there is room, straight into the region: for cases that send nothing else. */
function logsInPieces(): Change {
  const control = Place.CONTROL * PAGE;
  const capacity = CONTROL_TO_HOST;
  let queue: number[] = [];
  let written = 0;
  const flush = (inside: Inside): void => {
    const free = capacity - ((written - word(inside, control + P.TO_HOST_READ)) >>> 0);
    const piece = queue.splice(0, Math.min(free, queue.length));
    for (const byte of piece) inside.bytes[control + PAGE + (written++ & (capacity - 1))] = byte;
    set(inside, control + P.TO_HOST_WRITTEN, written);
    set(inside, control + P.TO_HOST_WANT_SPACE, queue.length === 0 ? 0 : 1);
  };
  let request = 0;
  return {
    before(command, inside) {
      if (command.do === "attach") [queue, written] = [[], 0];
      if (command.do !== "control" || command.message !== "Log") return command;
      const text = Buffer.from(command.fields.text as string);
      const fields = Buffer.alloc(8);
      fields.writeUInt32LE(command.fields.level as number, 0);
      fields.writeUInt32LE(text.length, 4);
      queue.push(...frameBytes(0x0103, ++request, [...fields, ...text]));
      flush(inside!);
      return { do: "poll" };
    },
    after(command, reply, inside) {
      if (command.do === "control") return { status: "ok" };
      if (command.do === "poll" && reply.status === "attached") flush(inside);
      return reply;
    },
  };
}

export const ODD: readonly (readonly [what: string, only: readonly string[], change: () => Change])[] = [
  [
    "rings for nothing, always",
    [],
    () => ({
      after: (command, reply) =>
        command.do === "encode" || command.do === "decode"
          ? reply
          : { ...reply, rings: (reply.rings ?? 0) + 1 },
    }),
  ],
  [
    "puts Log on the ring in pieces",
    ["control: a full ring says again, and goes on when there is room"],
    logsInPieces,
  ],
  [
    "attaches again at once where nobody serves the region",
    ["attach: ", "epoch: "],
    () => ({
      after: onPoll((inside, reply) => {
        const answered = word(inside, Sb.REPLY) === word(inside, Sb.REQUEST);
        if (reply.status !== "waiting" || !answered || word(inside, Sb.HOST_STATE) !== State.ABSENT)
          return undefined;
        const { rings = 0 } = inside.ask({ do: "attach" });
        return { ...reply, rings };
      }),
    }),
  ],
];
