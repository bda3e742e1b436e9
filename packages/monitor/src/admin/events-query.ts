// What GET /v1/events takes.

import { EVENT_KINDS } from "./happenings.ts";
import { flag, object, optional, type Schema, text } from "./schema.ts";

export interface EventsQuery {
  readonly kinds?: string;
  readonly after?: string;
  readonly follow?: boolean;
}

const KIND = `(${EVENT_KINDS.join("|")})`;

export const EVENTS_QUERY: Schema<EventsQuery> = object<EventsQuery>("", {
  kinds: optional(
    text(`Only these, between commas: ${EVENT_KINDS.join(", ")}`, { pattern: `^${KIND}(,${KIND})*$` }),
  ),
  after: optional(
    text(
      "Id of the last event that the reader has, as the header Last-Event-ID; without it, only what comes",
      {
        maxLength: 64,
      },
    ),
  ),
  follow: optional(flag("false: what is kept behind `after`, and then the end; without it, also what comes")),
});
