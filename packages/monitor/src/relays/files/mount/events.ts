// From inotify's events to those of the wire (MNT-21).

import { mountMessages as m } from "@ringway/control";
import { WatchBits } from "@ringway/linux";

const { CREATED, REMOVED, MODIFIED, ATTRIBUTES, MOVED_FROM, MOVED_TO, CLOSED, FOLDER } = m.MountEventBits;

const BITS: readonly (readonly [kernel: number, wire: number])[] = [
  [WatchBits.CREATED, CREATED],
  [WatchBits.REMOVED, REMOVED],
  [WatchBits.MODIFIED, MODIFIED],
  [WatchBits.ATTRIBUTES, ATTRIBUTES],
  [WatchBits.MOVED_FROM, MOVED_FROM],
  [WatchBits.MOVED_TO, MOVED_TO],
  [WatchBits.CLOSED_WRITE, CLOSED],
];

/** 0: nothing that a guest is told. */
export function wireEvents(kernel: number): number {
  let events = 0;
  for (const [bit, event] of BITS) if ((kernel & bit) !== 0) events |= event;
  return events !== 0 && (kernel & WatchBits.IS_FOLDER) !== 0 ? events | FOLDER : events;
}

const SLASH = Buffer.from("/");

/** The path of an entry of a folder below what is watched. */
export function below(folder: Uint8Array, name: Uint8Array): Uint8Array {
  if (folder.length === 0) return name;
  return name.length === 0 ? folder : Buffer.concat([folder, SLASH, name]);
}

/** A path as the key of a map. */
export const keyOf = (path: Uint8Array): string => Buffer.from(path).toString("latin1");
