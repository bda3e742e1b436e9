// ringway ps: the guests of a running monitor, or their streams.

import type { AdminClient, GuestStatus, RingFill, StreamStatus } from "@ringway/monitor";
import { allGuests, allStreams, type Listed, withAdmin } from "../admin/client.ts";
import { age, bytes, type Column, jsonText, labelsText, stateOf, table } from "../admin/text.ts";
import { Exit } from "../errors.ts";

export interface PsOptions {
  readonly admin?: string;
  readonly streams?: boolean;
  readonly json?: boolean;
}

const GUESTS: readonly Column<GuestStatus>[] = [
  { title: "ID", right: true, of: ({ id }) => id },
  { title: "NAME", of: ({ name }) => name },
  { title: "PID", right: true, of: ({ pid }) => (pid === 0 ? "-" : String(pid)) },
  { title: "STATE", of: stateOf },
  { title: "AGE", right: true, of: ({ ageMs }) => age(ageMs) },
  { title: "STREAMS", right: true, of: ({ streams }) => String(streams) },
  { title: "TO HOST", right: true, of: ({ bytesToHost }) => bytes(bytesToHost) },
  { title: "TO GUEST", right: true, of: ({ bytesToGuest }) => bytes(bytesToGuest) },
  { title: "LABELS", of: ({ labels }) => labelsText(labels) },
];

const STREAMS: readonly Column<StreamStatus>[] = [
  { title: "ID", of: ({ id }) => id },
  { title: "GUEST", of: ({ guest }) => guest },
  { title: "PROTOCOL", of: ({ protocol }) => protocol || "-" },
  { title: "STATE", of: ({ state }) => state },
  { title: "AGE", right: true, of: ({ ageMs }) => (ageMs === undefined ? "-" : age(ageMs)) },
  { title: "TO HOST", right: true, of: ({ bytesToHost, toHost }) => bytes(bytesToHost) + fill(toHost) },
  { title: "TO GUEST", right: true, of: ({ bytesToGuest, toGuest }) => bytes(bytesToGuest) + fill(toGuest) },
  { title: "RULE", of: ({ rule }) => rule || "-" },
  {
    title: "TARGET",
    of: ({ target, address }) => [target, address].filter((text) => text !== "").join(" at "),
  },
];

/** `guest`: its id or its name. */
export async function listGuests(guest: string | undefined, options: PsOptions): Promise<number> {
  return await withAdmin(options.admin, async (client) => {
    if (options.streams) print(STREAMS, await allStreams(client, guest), options);
    else
      print(GUESTS, guest === undefined ? await allGuests(client) : await oneGuest(client, guest), options);
    return Exit.OK;
  });
}

async function oneGuest(client: AdminClient, guest: string): Promise<Listed<GuestStatus>> {
  return { items: [await client.guest(guest)], isCut: false };
}

function print<T>(columns: readonly Column<T>[], { items, isCut }: Listed<T>, { json }: PsOptions): void {
  console.log(json ? jsonText(items, 2) : table(columns, items).join("\n"));
  if (isCut) console.error(`ringway: these are the first ${items.length}, and there are more`);
}

/** How full its ring is, where it is not empty. */
function fill({ bytes: held = 0, capacity }: RingFill): string {
  return held === 0 ? "" : ` (${Math.ceil((100 * held) / capacity)}%)`;
}
