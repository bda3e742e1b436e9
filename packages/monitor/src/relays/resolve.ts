// resolve: names to addresses and back, without a connection (PROTOCOL.md section 17).
//
//   request ─ judged ─ no ─▶ Error, and a line in the audit log: no packet leaves for it
//               └ yes ─ a name of `hosts` ───────────────────────────▶ its addresses, judged ─▶ reply
//                  └─── at the rate of lookups: waits, and all behind it; else ASKED ─▶ what is found, judged ─▶ reply
//
// Requests are answered as they finish. Each that is asked is work of the guest's until the lookup has ended and its
// reply is in the ring: whoever reads no replies has none asked any more.
//
// Addresses that were told count as their name for a while (policy/known-names.ts).

import { performance } from "node:perf_hooks";
import {
  Closed,
  type Frame,
  type FrameReader,
  formatIp,
  type InetAddress,
  type Message,
  maxPayload,
  Protocol,
  parseInet,
  type Refusal,
  resolveMessages,
  unmapIp,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import type { Relay } from "../guests/relay.ts";
import type { Stream } from "../guests/stream.ts";
import type { Asked as Lookup } from "../names/lookups.ts";
import type { Answer } from "../names/resolver.ts";
import { normalizeName } from "../policy/names.ts";
import { denial, refusal } from "../policy/refusal.ts";
import type { NotAllowed } from "../policy/types.ts";
import { Counter } from "../reactor/counters.ts";
import { interleave } from "./connection-race.ts";
import { alwaysAllowed, NOTHING, requireEmpty } from "./empty-body.ts";
import type { RelayHost } from "./host.ts";
import { resolveFailure } from "./name-lookup.ts";
import type { Judged, ProtocolEntry } from "./protocol.ts";
import { Replies } from "./replies.ts";
import { unknownRequest } from "./unknown.ts";

const { Addresses, Names, Resolve, Reverse } = resolveMessages;

/** Requests taken in one step before others get their turn. */
const BUDGET = 32;
/** Addresses of a name, and names of an address, at the most: as many as a connection would try. */
const FOUND_MAX = 16;
/** Of Names, what comes before the first: the time, and how many. Addresses fit whatever ring there is. */
const NAMES_HEAD_BYTES = 8;
/** Where nobody has said how long an answer holds. */
const TTL_S = 60;
/** Told addresses count as their name for as long as the answer holds, and for this at least (RSL-5). */
const KNOWN_MS_MIN = 30_000;

const ALLOWED: Judged<undefined> = alwaysAllowed(Protocol.RESOLVE);

export const RESOLVE: ProtocolEntry<undefined> = {
  judge(_rules, body) {
    requireEmpty(body);
    return ALLOWED;
  },
  open(host, stream, requestId) {
    stream.opened(requestId, NOTHING);
    stream.become(new ResolveRelay(host, stream));
  },
};

/** One lookup, until it has ended. */
interface Asked {
  readonly requestId: number;
  readonly found: string[];
  ttlSeconds: number | undefined;
  replied: boolean;
}

/** What a lookup gave: all of it, or why there is nothing. */
type Found = { readonly texts: readonly string[]; readonly ttlSeconds: number } | Refusal;

class ResolveRelay implements Relay {
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #signal: () => void;
  readonly #requests: FrameReader;
  readonly #replies: Replies;
  /** A reply that ends work of the guest's is over. */
  readonly #giveWork: () => void;
  /** Under way. */
  readonly #asked: Map<Lookup, Asked> = new Map();
  /** Answers that have come, and wait for the guest's turn. */
  #telling = 0;
  /** A request that waits for its rate. */
  #held: Frame | undefined;
  #disposed = false;

  constructor(host: RelayHost, stream: Stream) {
    this.#host = host;
    this.#stream = stream;
    this.#signal = stream.signaller();
    this.#requests = stream.frames();
    this.#replies = new Replies(stream);
    const { budget } = stream.guest;
    this.#giveWork = () => budget.giveWork();
  }

  step(): boolean {
    const stream = this.#stream;
    const { toHost } = stream.pipe;
    for (let budget = BUDGET; ; budget--) {
      // Before the ring: what was put before END is there once END is seen (RING-6).
      const closed = toHost.peerClosed();
      if (closed === Closed.RESET) {
        stream.reset();
        return false;
      }
      if (!this.#replies.flush()) return false;
      if (budget === 0 || !stream.guest.share.mayGoOn()) return true;
      const frame = this.#held ?? this.#requests.next(this.#signal);
      this.#held = undefined;
      if (frame === undefined) {
        if (closed !== Closed.END) return false;
        this.#requests.end();
        if (this.#asked.size + this.#telling === 0) stream.end();
        return false;
      }
      this.#serve(frame);
      if (this.#held !== undefined || this.#disposed) return false;
    }
  }

  dispose(): void {
    this.#disposed = true;
    const { budget } = this.#stream.guest;
    for (const lookup of this.#asked.keys()) this.#host.lookups.cancel(lookup, () => budget.giveWork());
    this.#asked.clear();
    this.#replies.drop();
  }

  // ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  #serve(frame: Frame): void {
    const { type, requestId, payload } = frame;
    const isKnown = type === Resolve.type || type === Reverse.type;
    const tooMany = isKnown ? this.#stream.guest.budget.tooManyRequests : undefined;
    if (!isKnown) this.#fail(requestId, unknownRequest(type));
    else if (type === Resolve.type) this.#resolve(frame, Resolve.decode(payload), tooMany);
    else this.#reverse(frame, Reverse.decode(payload).address, tooMany);
  }

  #resolve(
    frame: Frame,
    { family, name: text }: resolveMessages.Resolve,
    tooMany: Refusal | undefined,
  ): void {
    const { requestId } = frame;
    const { guest } = this.#stream;
    const parsed = normalizeName(text);
    if (family !== 0 && family !== 4 && family !== 6) {
      this.#fail(requestId, refusal(Errno.EINVAL, `family ${family} is none of 0, 4 and 6`));
    } else if ("problem" in parsed) {
      this.#fail(requestId, refusal(Errno.EINVAL, parsed.problem));
    } else if (tooMany !== undefined) {
      this.#fail(requestId, tooMany);
    } else {
      const { name } = parsed;
      const { matcher } = guest.policy;
      const decision = matcher.reach.name(name);
      const listed = matcher.hostsOf(name);
      const timeoutMs = guest.policy.policy.timeouts.resolveMs;
      const answer = (found: Found, ofWork: boolean): void =>
        this.#answerAddresses(requestId, name, family, found, ofWork);
      if (!decision.allowed) this.#fail(requestId, denial(guest, Protocol.RESOLVE, name, decision));
      else if (listed !== undefined) answer({ texts: listed, ttlSeconds: TTL_S }, false);
      else {
        this.#ask(frame, name, answer, (tell) =>
          this.#host.lookups.start(guest, name, timeoutMs, tell, family),
        );
      }
    }
  }

  #reverse(frame: Frame, address: InetAddress, tooMany: Refusal | undefined): void {
    const { requestId } = frame;
    const { guest } = this.#stream;
    const text = formatIp(unmapIp(address.address));
    if (address.port !== 0) {
      this.#fail(
        requestId,
        refusal(Errno.EINVAL, `an address that is looked up has no port: ${address.port}`),
      );
    } else if (tooMany !== undefined) {
      this.#fail(requestId, tooMany);
    } else {
      const { matcher, policy } = guest.policy;
      const decision = matcher.reach.address(text);
      const isKnown = guest.names.of(text, performance.now()).some((name) => {
        return matcher.reach.resolved(name, text).allowed;
      });
      if (!decision.allowed && !isKnown) {
        this.#fail(requestId, denial(guest, Protocol.RESOLVE, text, decision));
        return;
      }
      const answer = (found: Found, ofWork: boolean): void =>
        this.#answerNames(requestId, text, found, ofWork);
      this.#ask(frame, text, answer, (tell) =>
        this.#host.lookups.startReverse(guest, text, policy.timeouts.resolveMs, tell),
      );
    }
  }

  /** Has `what` looked up, where the rate allows it; `answer` is called once, unless the stream is over. */
  #ask(
    frame: Frame,
    what: string,
    answer: (found: Found, ofWork: boolean) => void,
    start: (tell: (answer: Answer) => void) => Lookup,
  ): void {
    const { budget } = this.#stream.guest;
    if (budget.network.limited && !budget.network.takeLookup(this.#stream)) {
      this.#held = frame;
      return;
    }
    this.#host.counters.add(Counter.lookups);
    budget.takeWork();
    const asked: Asked = { requestId: frame.requestId, found: [], ttlSeconds: undefined, replied: false };
    const lookup = start((told) => {
      // Those that are given up end by cancel()'s own way.
      if (told.ended) this.#asked.delete(lookup);
      this.#telling++;
      this.#stream.perform(() => {
        this.#telling--;
        this.#told(asked, what, told, answer);
      });
    });
    this.#asked.set(lookup, asked);
  }

  #told(asked: Asked, what: string, told: Answer, answer: (found: Found, ofWork: boolean) => void): void {
    const { budget } = this.#stream.guest;
    if (this.#disposed) {
      if (told.ended) budget.giveWork();
      return;
    }
    asked.found.push(...told.addresses);
    if (told.ttlSeconds !== undefined)
      asked.ttlSeconds = Math.min(asked.ttlSeconds ?? Infinity, told.ttlSeconds);
    if (!asked.replied && (told.ended || told.errno !== 0)) {
      asked.replied = true;
      const errno = asked.found.length > 0 ? 0 : told.errno || Errno.ENOENT;
      const ofWork = told.ended;
      if (errno !== 0) answer(refusal(errno, `${what}: ${resolveFailure(errno)}`), ofWork);
      else answer({ texts: asked.found, ttlSeconds: asked.ttlSeconds ?? TTL_S }, ofWork);
    } else if (told.ended) budget.giveWork();
    this.#stream.run();
  }

  // ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────

  #answerAddresses(requestId: number, name: string, family: 0 | 4 | 6, found: Found, ofWork: boolean): void {
    if ("errno" in found) {
      this.#fail(requestId, found, ofWork);
      return;
    }
    const { guest } = this.#stream;
    const all = [...new Set(found.texts)].flatMap((text) => parseInet(text, 0) ?? []);
    const ofFamily = interleave(all.filter((each) => family === 0 || each.family === family)).slice(
      0,
      FOUND_MAX,
    );
    let denied: NotAllowed | undefined;
    const addresses = ofFamily.filter(({ address }) => {
      const decision = guest.policy.matcher.reach.resolved(name, formatIp(address));
      if (decision.allowed) return true;
      denied ??= decision;
      return false;
    });
    this.#host.counters.add(Counter.addressesLeftOut, ofFamily.length - addresses.length);
    const refused = denied && denial(guest, Protocol.RESOLVE, name, denied);
    if (addresses.length === 0) {
      const absent = refusal(Errno.ENOENT, `${name}: ${resolveFailure(Errno.ENOENT)}`);
      this.#fail(requestId, refused ?? absent, ofWork);
      return;
    }
    // A name that is judged by its addresses alone stands for those of them that the guest may have.
    if (refused !== undefined && !guest.policy.matcher.reach.isByAddress(name)) guest.reports.audit(refused);
    const { ttlSeconds } = found;
    const untilMs = performance.now() + Math.max(KNOWN_MS_MIN, 1000 * ttlSeconds);
    for (const { address } of addresses) guest.names.tell(name, formatIp(address), untilMs);
    this.#reply(Addresses, requestId, { ttlSeconds, addresses }, ofWork);
  }

  /** What is told as a name is none where it is not written as one. */
  #answerNames(requestId: number, address: string, found: Found, ofWork: boolean): void {
    if ("errno" in found) {
      this.#fail(requestId, found, ofWork);
      return;
    }
    const parsed = found.texts.map(normalizeName).flatMap((each) => ("name" in each ? [each.name] : []));
    // As many of the first as a frame on the ring has room for: each has its length before it.
    let room = maxPayload(this.#stream.pipe.toGuest.capacity) - NAMES_HEAD_BYTES;
    const names = [...new Set(parsed)].slice(0, FOUND_MAX).filter((name) => {
      room -= 4 + name.length;
      return room >= 0;
    });
    if (names.length > 0) this.#reply(Names, requestId, { ttlSeconds: found.ttlSeconds, names }, ofWork);
    else this.#fail(requestId, refusal(Errno.ENOENT, `${address} has no name`), ofWork);
  }

  /** `ofWork`: it ends work of the guest's. */
  #fail(requestId: number, why: Refusal, ofWork = false): void {
    this.#replies.fail(requestId, why, ofWork ? this.#giveWork : undefined);
  }

  #reply<T>(kind: Message<T>, requestId: number, value: T, ofWork: boolean): void {
    this.#replies.reply(kind, requestId, value, ofWork ? this.#giveWork : undefined);
  }
}
