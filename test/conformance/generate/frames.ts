// Frames on a ring towards the guest: whole, in parts, too long, and of types that nobody asked for.

import { le32 } from "../../../packages/conformance/src/catalogue.ts";
import type { FrameVector } from "../../../packages/conformance/src/vectors.ts";
import { hexParts } from "./hex.ts";

const header = (bytes: number, type: number, request: number): number[] => [
  ...le32(bytes),
  ...le32(type),
  ...le32(request),
];
const frame = (type: number, request: number, payload: readonly number[]): number[] => [
  ...header(payload.length, type, request),
  ...payload,
];
const vector = (
  name: string,
  clauses: string,
  bytes: readonly number[],
  frames: readonly (readonly [number, number, readonly number[]])[],
  then: FrameVector["then"],
  more: { ring?: number; violation?: string; ends?: true } = {},
): FrameVector => ({
  name,
  clauses: clauses.split(" "),
  kind: "frame",
  ring: more.ring ?? 4096,
  bytes: hexParts(bytes),
  frames: frames.map(([type, request, payload]) => ({ type, request, payload: hexParts(payload) })),
  then,
  ...(more.violation === undefined ? {} : { violation: more.violation }),
  ...(more.ends === undefined ? {} : { ends: more.ends }),
});
const cut = { violation: "FRAME_LENGTH", ends: true } as const;
const done = [0x8002, 7, []] as const;
const zeros = (count: number): number[] => new Array<number>(count).fill(0);
const fill = (count: number): number[] =>
  zeros(count).map((_, i) => (i < 1000 ? 0x11 : i < count - 1 ? 0x22 : 0x33));

export const frameVectors: readonly FrameVector[] = [
  vector("a frame without a payload", "FRM-1", frame(...done), [done], "again"),
  vector(
    "two frames back to back, no padding between odd lengths",
    "FRM-1",
    [...frame(0x8401, 1, [1, 2, 3]), ...frame(0x8401, 2, [4])],
    [
      [0x8401, 1, [1, 2, 3]],
      [0x8401, 2, [4]],
    ],
    "again",
  ),
  vector(
    "the largest request id",
    "FRM-1 FRM-2",
    frame(0x8002, 0xffff_ffff, []),
    [[0x8002, 0xffff_ffff, []]],
    "again",
  ),
  vector("a header that lacks a byte", "FRM-3", header(0, 0x8002, 1).slice(0, 11), [], "again"),
  vector("a payload that lacks a byte", "FRM-3", frame(0x8401, 1, [1, 2, 3]).slice(0, 14), [], "again"),
  vector(
    "a whole frame, then a part of one",
    "FRM-3",
    [...frame(...done), ...frame(0x8401, 1, [1, 2]).slice(0, 13)],
    [done],
    "again",
  ),
  vector(
    "an end after a header that lacks a byte",
    "FRM-3",
    header(0, 0x8002, 1).slice(0, 11),
    [],
    "violation",
    cut,
  ),
  vector("an end after a header alone", "FRM-3", header(3, 0x8401, 1), [], "violation", cut),
  vector(
    "an end after a payload that lacks a byte",
    "FRM-3",
    frame(0x8401, 1, [1, 2, 3]).slice(0, 14),
    [],
    "violation",
    cut,
  ),
  vector(
    "an end after a whole frame and a byte of another",
    "FRM-3",
    [...frame(...done), 0],
    [done],
    "violation",
    cut,
  ),
  vector(
    "frames before the end",
    "FRM-3 RING-6",
    [...frame(...done), ...frame(0x8002, 8, [])],
    [done, [0x8002, 8, []]],
    "end",
  ),
  vector(
    "a frame that fills its ring",
    "FRM-3",
    frame(0x8401, 1, fill(4084)),
    [[0x8401, 1, fill(4084)]],
    "again",
  ),
  vector(
    "frames that fill a ring, one after the other",
    "FRM-3 FRM-1",
    [...frame(0x8401, 1, fill(4084)), ...frame(0x8401, 2, fill(4084)), ...frame(...done)],
    [[0x8401, 1, fill(4084)], [0x8401, 2, fill(4084)], done],
    "again",
  ),
  vector(
    "the largest frame of all",
    "FRM-3 LIM-1",
    frame(0x8401, 1, zeros(65_600)),
    [[0x8401, 1, zeros(65_600)]],
    "again",
    { ring: 131_072 },
  ),
  vector(
    "a byte over its ring, judged by the header alone",
    "FRM-3 LIM-1",
    header(4085, 0x8401, 1),
    [],
    "violation",
    { violation: "FRAME_LENGTH" },
  ),
  vector("a byte over the largest frame", "FRM-3 LIM-1", header(65_601, 0x8401, 1), [], "violation", {
    ring: 131_072,
    violation: "FRAME_LENGTH",
  }),
  vector("a payload of 2^32 - 1 bytes", "FRM-3", header(0xffff_ffff, 0x8401, 1), [], "violation", {
    violation: "FRAME_LENGTH",
  }),
  vector(
    "a payload of 2^32 - 12 bytes: with its header 2^32",
    "FRM-3",
    header(0xffff_fff4, 0x8401, 1),
    [],
    "violation",
    { violation: "FRAME_LENGTH" },
  ),
  vector(
    "a good frame, then one too long",
    "FRM-3",
    [...frame(...done), ...header(5000, 0x8401, 1)],
    [done],
    "violation",
    { violation: "FRAME_LENGTH" },
  ),
  vector(
    "a request of the guest's, from the host",
    "FRM-4",
    frame(0x0401, 1, [0, 0, 0, 0]),
    [],
    "violation",
    { violation: "FRAME_TYPE" },
  ),
  vector("type 0, from the host", "FRM-4", frame(0, 0, []), [], "violation", { violation: "FRAME_TYPE" }),
  vector(
    "unknown and nobody asked: passed over",
    "FRM-7",
    [...frame(0x8f00, 0, [1, 2, 3]), ...frame(...done), ...frame(0xffff, 0, [])],
    [done],
    "again",
  ),
  vector(
    "unknown, to a request",
    "FRM-7",
    [...frame(...done), ...frame(0x8f00, 3, [])],
    [done],
    "violation",
    { violation: "FRAME_TYPE" },
  ),
];
