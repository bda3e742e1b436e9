// Server-sent events, as a client reads them: bounded, whatever comes.

import type { EventKind } from "./happenings.ts";

export interface AdminEvent {
  /** For `after`; absent of a gap. */
  readonly id?: string;
  /** gap: this reader was too slow, or the monitor is another; `lost` events are missing, where that is known. */
  readonly kind: EventKind | "gap";
  /** As the monitor's events have it, with the time and the labels of the guest. */
  readonly data: {
    readonly time?: string;
    readonly guest?: string;
    readonly lost?: number;
    readonly [more: string]: unknown;
  };
}

/** An event has a guest's text of 8 KiB at the most, and JSON may make six times that of it. */
const EVENT_CHARACTERS_MAX = 1024 * 1024;

/** Throws where one is longer than any of a monitor's, or is none. */
export async function* eventsIn(chunks: AsyncIterable<string>): AsyncGenerator<AdminEvent> {
  let rest = "";
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split("\n\n");
    rest = parts.pop()!;
    if (rest.length > EVENT_CHARACTERS_MAX) throw new Error("an event of the admin API is too long");
    for (const part of parts) {
      const event = eventOf(part);
      if (event !== undefined) yield event;
    }
  }
}

/** Undefined: a comment. */
function eventOf(text: string): AdminEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const [id, kind, data] = [fields.get("id"), fields.get("event"), fields.get("data")];
  if (kind === undefined || data === undefined) return undefined;
  return {
    ...(id === undefined ? {} : { id }),
    kind: kind as AdminEvent["kind"],
    data: JSON.parse(data) as AdminEvent["data"],
  };
}
