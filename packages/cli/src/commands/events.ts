// ringway events and ringway refusals: what has happened in a running monitor, as far as that keeps it, and what
// happens from now on.

import type { AdminEvent, EventKind } from "@ringway/monitor";
import { withAdmin } from "../admin/client.ts";
import { jsonText, labelsText, plain } from "../admin/text.ts";
import { Exit } from "../errors.ts";
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
    for await (const event of events) print(event, options);
    return Exit.OK;
  });
}

function print(event: AdminEvent, { guest, json }: EventsOptions): void {
  const { kind, data } = event;
  // The one in front of all that is kept.
  if (kind === "gap" && data.lost === undefined) return;
  if (guest !== undefined && !isOf(String(data.guest ?? ""), guest)) return;
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
