// What is followed as lines: JSON for programs, text for people.

import type { FollowedEvent } from "@ringway/monitor";
import { jsonText, plain } from "../admin/text.ts";

const NS_PER_MS = 1_000_000n;

/** ISO 8601 with nanoseconds: "2026-11-27T21:00:00.123456789Z". */
function timeText(timeNs: bigint): string {
  const ms = timeNs / NS_PER_MS;
  const rest = String(timeNs % NS_PER_MS).padStart(6, "0");
  return `${new Date(Number(ms)).toISOString().slice(0, -1)}${rest}Z`;
}

/** Undefined: there is nothing to say. `snapBytes`: of each piece, so many go into its line. */
export function jsonLine(event: FollowedEvent, snapBytes: number): string | undefined {
  if (event.kind === "ready") return undefined;
  if (event.kind === "missed") return `${jsonText(event)}\n`;
  const { kind, timeNs, ...rest } = event;
  const head = { kind, time: timeText(timeNs) };
  if (event.kind !== "data") return `${jsonText({ ...head, ...rest })}\n`;
  const { conversation, from, bytes, peer } = event;
  const data = Buffer.from(bytes.subarray(0, snapBytes)).toString("base64");
  const piece = { conversation, from, ...(peer === undefined ? {} : { peer }), bytes: bytes.length, data };
  return `${jsonText({ ...head, ...piece })}\n`;
}

/** As JSON says it, without what was carried. */
export function textLine(event: FollowedEvent): string | undefined {
  const text = textOf(event);
  return text === undefined ? undefined : `${plain(text)}\n`;
}

function textOf(event: FollowedEvent): string | undefined {
  if (event.kind === "ready") return undefined;
  if (event.kind === "missed") return `${event.missed} conversations are missing: there are too many`;
  const time = timeText(event.timeNs).slice(0, 23);
  const which = `${time} #${event.conversation}`;
  switch (event.kind) {
    case "opened": {
      const { guest, protocol, initiator, responder, rule } = event;
      const peer = initiator.side === "guest" ? `> ${responder.name}` : `< ${initiator.name}`;
      return `${which} ${guest} ${protocol} ${peer} (rule ${rule === "" ? "-" : rule})`;
    }
    case "data":
      return `${which} ${event.from}: ${event.bytes.length} bytes${event.peer === undefined ? "" : ` (${event.peer})`}`;
    case "lost":
      return `${which} ${event.from}: ${event.lost} bytes are missing: this reader was too slow`;
    case "closed":
      return `${which} closed: ${event.closed}`;
  }
}
