// ringway events and ringway refusals: what has happened in a running monitor, as far as that keeps it, and what
// happens from now on.

import type { AdminClient, AdminEvent, EventKind } from "@ringway/monitor";
import { allGuests, withAdmin } from "../admin/client.ts";
import { jsonText, labelsText, plain } from "../admin/text.ts";
import { Exit, Failure } from "../errors.ts";
import { isOf } from "../guests/of.ts";

export interface EventsOptions {
  readonly admin?: string;
  readonly follow?: boolean;
  readonly guest?: string;
  readonly json?: boolean;
}

/** An id of no monitor's: all that is kept comes first. */
const FROM_THE_FIRST = "0";

export async function listEvents(
  kinds: readonly EventKind[] | undefined,
  options: EventsOptions,
): Promise<number> {
  return await withAdmin(options.admin, async (client) => {
    const events = client.events({
      after: FROM_THE_FIRST,
      follow: options.follow ?? false,
      ...(kinds === undefined ? {} : { kinds }),
    });
    let isKnown = options.guest === undefined || (await isThere(client, options.guest));
    if (!isKnown && options.follow) console.error(`ringway: ${absent(options.guest!)}, so far`);
    for await (const event of events) {
      if (!isAsked(event, options.guest)) continue;
      isKnown = true;
      print(event, options);
    }
    if (!isKnown) throw new Failure(absent(options.guest!));
    return Exit.OK;
  });
}

/** A name that the host has given, or that of a guest who is there. */
async function isThere(client: AdminClient, guest: string): Promise<boolean> {
  if ((await client.tenants()).some(({ name }) => name === guest)) return true;
  return (await allGuests(client)).items.some(({ name }) => isOf(name, guest));
}

const absent = (guest: string): string => `there is no guest ${plain(guest)}, nor anything of one that was`;

function isAsked({ kind, data }: AdminEvent, guest: string | undefined): boolean {
  // The one in front of all that is kept.
  if (kind === "gap" && data.lost === undefined) return false;
  return guest === undefined || isOf(String(data.guest ?? ""), guest);
}

function print(event: AdminEvent, { json }: EventsOptions): void {
  const { kind, data } = event;
  console.log(json ? jsonText({ kind, ...data }) : plain(lineOf(event)));
}

function lineOf({ kind, data }: AdminEvent): string {
  const { time = "-", guest = "-", labels, lost, ...more } = data;
  const ofGuest = isLabels(labels) ? `${guest} (${labelsText(labels)})` : guest;
  if (kind === "gap") return `${time} ${lost} events are missing: this reader was too slow`;
  if (kind !== "refused") return `${time} ${kind} ${ofGuest} ${jsonText(more)}`;
  const { reason = "", rule = "" } = more;
  return `${time} ${ofGuest}: ${reason} (rule ${rule})`;
}

function isLabels(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}
