// Guests and streams as a program and the admin API see them: what the reactor's thread tells of them in rows, with
// what the main thread alone knows, and with names that can be asked for again.

import type { GuestLabels, Labels } from "../observe/labels.ts";
import { GUEST_ROWS, type GuestRow, STREAM_ROWS, type StreamRow } from "../thread/census-rows.ts";
import type { ReactorHandle } from "./reactor-handle.ts";

export interface GuestStatus {
  /** No other guest of the monitor has it: "1", "2", in the order in which they came. */
  readonly id: string;
  /** As in events and logs. */
  readonly name: string;
  /** The name that the host has given it, or its attach socket. */
  readonly tenant?: string;
  readonly labels: Labels;
  /** Whose budgets it uses. */
  readonly key: string;
  /** 0 where it cannot be seen. */
  readonly pid: number;
  /** attaching, attached, leaving, lingering, closing. */
  readonly state: string;
  readonly ageMs: number;
  readonly streams: number;
  /** Payload of all that it was allowed, since it came. */
  readonly bytesToHost: number;
  readonly bytesToGuest: number;
  readonly regionBytes: number;
  /** It waits: for its audit lines, or since it has caused more lines than its policy allows. */
  readonly held: boolean;
  /** It has rung too often for nothing, and is not looked at for a moment. */
  readonly parked: boolean;
}

/** Whom the monitor serves by a name that the host has given, whether or not anybody is there. */
export interface TenantStatus {
  readonly name: string;
  /** vm; process: those of an attach socket, which are called by the name and a number. */
  readonly kind: "vm" | "process";
  /** waiting: its hypervisor has not answered, or no process is attached; there. */
  readonly state: "waiting" | "there";
  /** Path of the attach socket, or of the doorbell that the hypervisor serves. */
  readonly socket: string;
  readonly labels: Labels;
}

export interface RingFill {
  /** Not taken yet; absent where the guest has written what cannot be. */
  readonly bytes?: number;
  readonly capacity: number;
}

export interface StreamStatus {
  /** No other stream of the monitor has it: guest, number, and which use of the number it is: "3-17-2". */
  readonly id: string;
  readonly guest: string;
  readonly guestId: string;
  /** "tcp-connect"; "" before its Open has come. */
  readonly protocol: string;
  /** "example.com:443"; "" where no rule is asked, and once it is closing. */
  readonly target: string;
  /** That has allowed it. */
  readonly rule: string;
  /** Where it leads, or what is listened on. */
  readonly address: string;
  /** fresh, posted, opening, running, closing. */
  readonly state: string;
  /** Since it was opened; absent where no rule was asked. */
  readonly ageMs?: number;
  /** Payload. */
  readonly bytesToHost: number;
  readonly bytesToGuest: number;
  readonly toHost: RingFill;
  readonly toGuest: RingFill;
}

/** A part of a list. `next`: what to ask for the part behind it with, where there may be one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

export interface PageOptions {
  /** `next` of the page before. */
  readonly after?: string;
  /** 1 to 1000, default 100. */
  readonly limit?: number;
}

export interface StreamsOptions extends PageOptions {
  /** Id of a guest: its streams alone. */
  readonly guest?: string;
}

export const PAGE_DEFAULT = 100;
export const PAGE_MAX = 1000;

const STREAM_ID = /^(\d{1,15})-(\d{1,5})-(\d{1,10})$/;
const GUEST_ID = /^\d{1,15}$/;

/** Undefined for what is no id. */
function guestPlace(id: string): number | undefined {
  return GUEST_ID.test(id) ? Number(id) : undefined;
}

/** Undefined for what is no id. */
export function streamPlace(
  id: string,
): { readonly guest: number; readonly stream: number; readonly generation: number } | undefined {
  const [, guest, stream, generation] = STREAM_ID.exec(id) ?? [];
  if (guest === undefined) return undefined;
  return { guest: Number(guest), stream: Number(stream), generation: Number(generation) };
}

/** `after`: undefined for the first page. Ids that are none are as if nothing were behind them. */
export async function guestsPage(
  reactor: ReactorHandle,
  labels: GuestLabels,
  { after = "0", limit = PAGE_DEFAULT }: PageOptions,
): Promise<Page<GuestStatus>> {
  const place = guestPlace(after) ?? Number.MAX_SAFE_INTEGER;
  const fields = await reactor.ask({ what: "guests", after: place, only: undefined, most: limit });
  const items = GUEST_ROWS.all(fields).map((row) => guestStatus(row, labels));
  return page(items, limit);
}

/** The one with this id, or those with this name: two at the most. */
export async function guestsCalled(
  reactor: ReactorHandle,
  labels: GuestLabels,
  guest: string,
): Promise<readonly GuestStatus[]> {
  const only = guestPlace(guest) ?? guest;
  const fields = await reactor.ask({ what: "guests", after: 0, only, most: 2 });
  return GUEST_ROWS.all(fields).map((row) => guestStatus(row, labels));
}

export async function streamsPage(
  reactor: ReactorHandle,
  { after, limit = PAGE_DEFAULT, guest }: StreamsOptions,
): Promise<Page<StreamStatus>> {
  const only = guest === undefined ? undefined : (guestPlace(guest) ?? -1);
  const none = { guest: Number.MAX_SAFE_INTEGER, stream: 0 };
  const place = after === undefined ? { guest: 0, stream: 0 } : (streamPlace(after) ?? none);
  const { guest: atGuest, stream } = place;
  const question = { what: "streams", after: { guest: atGuest, stream }, only, most: limit } as const;
  const fields = await reactor.ask(question);
  return page(STREAM_ROWS.all(fields).map(streamStatus), limit);
}

function page<T extends { readonly id: string }>(items: readonly T[], limit: number): Page<T> {
  const last = items.at(-1);
  return last === undefined || items.length < limit ? { items } : { items, next: last.id };
}

function guestStatus({ guest, tenant, ...row }: GuestRow, labels: GuestLabels): GuestStatus {
  const { name, key, pid, state, ageMs, streams, ...rest } = row;
  const named = tenant === "" ? {} : { tenant };
  const { labels: own = {} } = labels.of(name);
  return { id: String(guest), name, ...named, labels: own, key, pid, state, ageMs, streams, ...rest };
}

function streamStatus(row: StreamRow): StreamStatus {
  const { guest, stream, generation, name, protocol, target, rule, address, state, ageMs } = row;
  const { bytesToHost, bytesToGuest } = row;
  return {
    id: `${guest}-${stream}-${generation}`,
    guest: name,
    guestId: String(guest),
    protocol,
    target,
    rule,
    address,
    state,
    ...(ageMs < 0 ? {} : { ageMs }),
    bytesToHost,
    bytesToGuest,
    toHost: fill(row.toHostFill, row.toHostBytes),
    toGuest: fill(row.toGuestFill, row.toGuestBytes),
  };
}

function fill(bytes: number, capacity: number): RingFill {
  return bytes < 0 ? { capacity } : { bytes, capacity };
}
