// ringway ps: the guests of a running monitor, or their streams.

import type { AdminClient, GuestStatus, RingFill, StreamStatus, TenantStatus } from "@ringway/monitor";
import { allGuests, allStreams, guestsOf, type Listed, withAdmin } from "../admin/client.ts";
import { age, bytes, type Column, jsonText, labelsText, stateOf, table } from "../admin/text.ts";
import { Exit } from "../errors.ts";

export interface PsOptions {
  readonly admin?: string;
  readonly streams?: boolean;
  readonly json?: boolean;
}

/** A guest, or a machine that has none. */
type Row = GuestStatus | TenantStatus;

const ofGuest =
  (of: (guest: GuestStatus) => string) =>
  (row: Row): string =>
    "id" in row ? of(row) : "-";

const GUESTS: readonly Column<Row>[] = [
  { title: "ID", right: true, of: ofGuest(({ id }) => id) },
  { title: "NAME", of: ({ name }) => name },
  { title: "PID", right: true, of: ofGuest(({ pid }) => (pid === 0 ? "-" : String(pid))) },
  { title: "STATE", of: (row) => ("id" in row ? stateOf(row) : row.state) },
  { title: "AGE", right: true, of: ofGuest(({ ageMs }) => age(ageMs)) },
  { title: "STREAMS", right: true, of: ofGuest(({ streams }) => String(streams)) },
  { title: "TO HOST", right: true, of: ofGuest(({ bytesToHost }) => bytes(bytesToHost)) },
  { title: "TO GUEST", right: true, of: ofGuest(({ bytesToGuest }) => bytes(bytesToGuest)) },
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

/** `guest`: its id or its name, or that of an attach socket. */
export async function listGuests(guest: string | undefined, options: PsOptions): Promise<number> {
  return await withAdmin(options.admin, async (client) => {
    if (options.streams) print(STREAMS, await allStreams(client, guest), options);
    else print(GUESTS, await rowsOf(client, guest), options);
    return Exit.OK;
  });
}

/** And the machines whose hypervisors have not come. */
async function rowsOf(client: AdminClient, guest: string | undefined): Promise<Listed<Row>> {
  const { items, isCut } = guest === undefined ? await allGuests(client) : await guestsOf(client, guest);
  const there = new Set(items.map(({ name }) => name));
  const waiting = (await client.tenants()).filter(
    ({ name, kind, state }) =>
      kind === "vm" && state === "waiting" && !there.has(name) && (guest === undefined || guest === name),
  );
  return { items: [...items, ...waiting], isCut };
}

function print<T>(columns: readonly Column<T>[], { items, isCut }: Listed<T>, { json }: PsOptions): void {
  console.log(json ? jsonText(items, 2) : table(columns, items).join("\n"));
  if (isCut) console.error(`ringway: these are the first ${items.length}, and there are more`);
}

/** How full its ring is, where it is not empty. */
function fill({ bytes: held = 0, capacity }: RingFill): string {
  return held === 0 ? "" : ` (${Math.ceil((100 * held) / capacity)}%)`;
}
