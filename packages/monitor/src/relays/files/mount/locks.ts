// Locks of a mount's handles (MNT-18): open file description locks of the host, one range after the other asked for
// without waiting. A request that waits holds no worker, and does not count (MNT-3): it asks again after a while, when
// it is its turn (lock-turns.ts), and at once where this mount has let go of what it wants: of several the first.
//
//   ASKED ── free ──▶ Done            ASKED ── not free, `wait` ──▶ WAITING ── after a while, in turn ──▶ ASKED AGAIN
//   ASKED AGAIN, as ASKED             WAITING ── MountCancel, MountRelease, END ──▶ ECANCELED
//
// Bounded: ranges that a mount has locked, and requests that wait.

import { Errno, type Frame, mountMessages as m, type Refusal } from "@ringway/control";
import type { DiskResult } from "../../../disk/operations.ts";
import { refusal } from "../../../policy/refusal.ts";
import { Counter } from "../../../reactor/counters.ts";
import type { Timer } from "../../../reactor/timers.ts";
import { type DiskWork, onDisk } from "../access.ts";
import type { MountCore, Waiting } from "./core.ts";
import type { Handle } from "./handles.ts";
import type { Asker, LockTurns } from "./lock-turns.ts";
import { shownNames } from "./places.ts";

const RANGES_MAX = 1024;
const WAITING_MAX = 64;
/** How soon it is asked again: soon at first, as most locks are short. */
const AGAIN_MIN_MS = 2;
const AGAIN_MAX_MS = 100;

const TOO_MANY: Refusal = refusal(
  Errno.ENOLCK,
  `${RANGES_MAX} ranges are locked, or ${WAITING_MAX} are waited for`,
);

/** One that a worker asks for. */
interface Asking {
  readonly requestId: number;
  readonly handle: Handle;
  readonly request: m.MountLock;
  /** It is not to be waited for: what to do when it is answered. */
  cancelled: (() => void) | undefined;
}

/** A lock that is not free yet. */
interface Patient extends Asking, Waiting, Asker {
  againMs: number;
  timer: Timer | undefined;
  /** While it is asked for again. */
  job: DiskWork | undefined;
}

export class MountLocks {
  readonly #core: MountCore;
  readonly #patients: Set<Patient> = new Set();
  readonly #asking: Set<Asking> = new Set();

  constructor(core: MountCore) {
    this.#core = core;
  }

  serve({ type, requestId, payload }: Frame): boolean {
    switch (type) {
      case m.MountLock.type: {
        const request = m.MountLock.decode(payload);
        const handle = this.#checked(requestId, request);
        if (handle === undefined) return true;
        if (this.#isPastBound(handle, request)) this.#tooMany(requestId);
        else this.#ask(requestId, handle, request);
        return true;
      }
      case m.MountTestLock.type: {
        const request = m.MountTestLock.decode(payload);
        if (request.kind === m.MountLockKind.NONE) {
          this.#core.fail(requestId, refusal(Errno.EINVAL, "kind 0 is in nobody's way"));
          return true;
        }
        const handle = this.#checked(requestId, request);
        if (handle === undefined) return true;
        const { kind: lock, start, bytes } = request;
        const work = {
          requestId,
          shown: shownNames(handle.names),
          handles: [handle],
          reply: m.MountLockFound,
        };
        this.#core.perform({ kind: "mount-test-lock", fd: handle.fd, lock, start, bytes }, work);
        return true;
      }
      default:
        return false;
    }
  }

  /** Its handle; undefined where it is refused, and answered. */
  #checked(requestId: number, { handle: id, kind, start, bytes }: m.MountTestLock): Handle | undefined {
    const handle = this.#core.handle(requestId, id);
    if (handle === undefined) return undefined;
    const { SHARED, EXCLUSIVE } = m.MountLockKind;
    const errno =
      kind > EXCLUSIVE || !Number.isSafeInteger(start + bytes)
        ? Errno.EINVAL
        : handle.isFolder || (kind === SHARED && !handle.mayRead) || (kind === EXCLUSIVE && !handle.mayWrite)
          ? Errno.EBADF
          : 0;
    if (errno !== 0) {
      this.#core.fail(requestId, refusal(errno, `kind ${kind} of ${bytes} bytes from ${start}`));
      return undefined;
    }
    return handle;
  }

  /** Would there be more ranges than a mount may have locked? One that is unlocked in the middle is two. */
  #isPastBound({ locks }: Handle, { kind, start, bytes }: m.MountLock): boolean {
    if (this.#core.locked.count < RANGES_MAX) return false;
    return kind !== m.MountLockKind.NONE || locks.splits(start, bytes);
  }

  #tooMany(requestId: number): void {
    const { host, stream } = this.#core;
    host.counters.add(Counter.quotaLocks);
    stream.guest.account.tally.hit(Counter.quotaLocks);
    this.#core.fail(requestId, TOO_MANY);
  }

  #ask(requestId: number, handle: Handle, request: m.MountLock): void {
    const core = this.#core;
    const { kind: lock, start, bytes } = request;
    const asking: Asking = { requestId, handle, request, cancelled: undefined };
    this.#asking.add(asking);
    core.perform(
      { kind: "mount-lock", fd: handle.fd, lock, start, bytes },
      {
        requestId,
        shown: shownNames(handle.names),
        handles: [handle],
        settle: (result) => {
          if (this.#mustWait(asking, result)) this.#waitFor(asking);
          else this.#settle(asking, result);
        },
        over: () => this.#asking.delete(asking),
      },
    );
  }

  /** Is it to be asked for again? Not where it was given back, or the stream ends, while it was asked for. */
  #mustWait({ handle, request, cancelled }: Asking, { errno }: DiskResult): boolean {
    const isOver = handle.over !== undefined || this.#core.isEnding || cancelled !== undefined;
    return errno === Errno.EAGAIN && request.wait && !isOver;
  }

  #settle({ requestId, handle, request, cancelled }: Asking, { errno }: DiskResult): void {
    const core = this.#core;
    const { kind, start, bytes, wait } = request;
    if (errno === 0) {
      handle.locks.set(kind, start, bytes);
      core.done(requestId);
    } else if (errno === Errno.EAGAIN && (wait || cancelled !== undefined)) core.cancelled(requestId);
    else core.fail(requestId, refusal(errno, "the range is not free"));
    cancelled?.();
    if (errno === 0 && kind === m.MountLockKind.NONE) this.#hurry(handle, request);
  }

  /** A request that a worker just asks for is not waited for any more; `then` when it is answered. */
  cancelAsking(requestId: number, then: () => void): boolean {
    for (const asking of this.#asking) {
      if (asking.requestId !== requestId) continue;
      const before = asking.cancelled;
      asking.cancelled = () => {
        before?.();
        then();
      };
      return true;
    }
    return false;
  }

  #waitFor({ requestId, handle, request }: Asking): void {
    const core = this.#core;
    if (this.#patients.size >= WAITING_MAX) {
      this.#tooMany(requestId);
      return;
    }
    const patient: Patient = {
      ...{ requestId, handle, request, againMs: AGAIN_MIN_MS },
      ...{ timer: undefined, job: undefined, cancelled: undefined },
      get perSecond() {
        return core.stream.guest.policy.policy.limits.diskOperations;
      },
      ask: () => this.#askAgain(patient),
      cancel: () => this.#takeBack(patient),
    };
    this.#patients.add(patient);
    core.waiting.add(patient);
    this.#rest(patient);
  }

  #rest(patient: Patient): void {
    patient.timer = this.#core.host.reactor.after(patient.againMs, () => this.#turns().enter(patient));
    patient.againMs = Math.min(2 * patient.againMs, AGAIN_MAX_MS);
  }

  #askAgain(patient: Patient): void {
    const core = this.#core;
    const { handle, request } = patient;
    const { kind: lock, start, bytes } = request;
    handle.uses++;
    core.uncounted++;
    this.#asking.add(patient);
    const mount = { kind: "mount-lock", fd: handle.fd, lock, start, bytes } as const;
    patient.job = onDisk(core.host, core.stream, { kind: "mount", mount }, (result) => {
      this.#askedAgain(patient);
      if (core.isOver) this.#forget(patient);
      else this.#answerAgain(patient, result);
      core.used(handle);
      if (!core.isOver) core.stream.run();
    });
  }

  #answerAgain(patient: Patient, result: DiskResult): void {
    if (this.#mustWait(patient, result)) {
      this.#rest(patient);
      return;
    }
    this.#forget(patient);
    this.#settle(patient, result);
    const { handle, request } = patient;
    // There is room for others of its kind.
    if (result.errno === 0 && request.kind === m.MountLockKind.SHARED) this.#hurry(handle, request);
  }

  /** It is known, or no worker has begun it. */
  #askedAgain(patient: Patient): void {
    patient.job = undefined;
    this.#asking.delete(patient);
    this.#core.uncounted--;
    this.#turns().answered(patient);
  }

  #forget(patient: Patient): void {
    this.#core.host.reactor.cancel(patient.timer);
    this.#turns().leave(patient);
    this.#patients.delete(patient);
    this.#core.waiting.delete(patient);
  }

  /** False: a worker asks for it. */
  #takeBack(patient: Patient): boolean {
    if (patient.job !== undefined) {
      if (!patient.job.cancel()) return false;
      this.#askedAgain(patient);
      this.#core.used(patient.handle);
    }
    this.#forget(patient);
    return true;
  }

  /** A range may be free now: of those who wait for some of it one asks again at once, the others in turn. */
  #hurry(handle: Handle, range: m.MountLock): void {
    let isFirst = true;
    for (const patient of [...this.#patients]) {
      const wantsIt = isSameFile(patient.handle, handle) && overlap(patient.request, range);
      if (patient.job !== undefined || !wantsIt) continue;
      this.#core.host.reactor.cancel(patient.timer);
      patient.againMs = AGAIN_MIN_MS;
      if (isFirst) this.#turns().hurry(patient);
      else this.#turns().enter(patient);
      isFirst = false;
    }
  }

  /** Of a handle that is given back, or all. */
  cancelAll(handle?: Handle): void {
    for (const patient of [...this.#patients]) {
      if ((handle !== undefined && patient.handle !== handle) || !patient.cancel()) continue;
      if (!this.#core.isOver) this.#core.cancelled(patient.requestId);
    }
  }

  #turns(): LockTurns {
    return this.#core.host.lockTurns(this.#core.stream.guest.account);
  }
}

/** Handles of one file may be several. */
const isSameFile = (a: Handle, b: Handle): boolean =>
  a === b || (a.identity !== "" && a.identity === b.identity);

/** 0 bytes go on to the end. */
function overlap(a: m.MountLock, b: m.MountLock): boolean {
  const end = ({ start, bytes }: m.MountLock): number =>
    bytes === 0 ? Number.POSITIVE_INFINITY : start + bytes;
  return a.start < end(b) && b.start < end(a);
}
