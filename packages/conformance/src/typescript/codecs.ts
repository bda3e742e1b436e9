// Messages of @ringway/control by their names, and their fields as the testee contract has them: bytes are hex.

import * as control from "@ringway/control";
import {
  Accept,
  type Body,
  ConnectReply,
  ConnectRequest,
  Done,
  decodeHello,
  ErrorReply,
  fileMessages,
  fsMessages,
  Incoming,
  ListenReply,
  ListenRequest,
  type Message,
  mountMessages,
  NewStream,
  Open,
  Opened,
  Refused,
  resolveMessages,
  StatReply,
  StreamInfo,
  udpMessages,
  unixMessages,
} from "@ringway/control";
import { type Fields, type Layout, SHAPES, type Type } from "../catalogue.ts";
import type { Reply } from "../contract.ts";

type AnyBody = Body<Record<string, unknown>>;
export type AnyMessage = Message<Record<string, unknown>>;

const messages = [
  ...[ErrorReply, Done, StatReply, Open, Opened, Refused, Accept, Incoming],
  ...[NewStream, StreamInfo, control.GetArgs, control.Args, control.Log, control.Exit],
  ...[control.Ping, control.Pong, control.Explain, control.Verdict],
  ...Object.values(fileMessages),
  ...Object.values(fsMessages),
  ...[udpMessages, resolveMessages, unixMessages, mountMessages].flatMap((each) => Object.values(each)),
].filter((each) => typeof each === "object" && "type" in each) as unknown as AnyMessage[];

/** By name. */
export const codecs: ReadonlyMap<string, AnyBody> = new Map<string, AnyBody>([
  ...messages.map((each) => [each.name, each] as const),
  ...Object.entries({ ConnectRequest, ConnectReply, ListenRequest, ListenReply }).map(
    ([name, each]) => [name, each as unknown as AnyBody] as const,
  ),
  ...(["FileOpen", "FileOpened", "FileStreamOpen", "FileStreamOpened"] as const).map(
    (name) => [name, fileMessages[name] as unknown as AnyBody] as const,
  ),
  ["UdpBindRequest", udpMessages.UdpBindRequest as unknown as AnyBody],
  ...(["UnixConnectRequest", "UnixConnectReply", "UnixListenRequest"] as const).map(
    (name) => [name, unixMessages[name] as unknown as AnyBody] as const,
  ),
  ...(["MountRequest", "MountReply"] as const).map(
    (name) => [name, mountMessages[name] as unknown as AnyBody] as const,
  ),
]);
/** Frames, by their type. */
export const byType: ReadonlyMap<number, AnyMessage> = new Map(messages.map((each) => [each.type, each]));

export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));

/** A field as control has it: bytes for hex. */
function controlValue(type: Type, value: unknown): unknown {
  switch (type.kind) {
    case "bytes":
    case "rest":
      return bytesOf(value as string);
    case "inet": {
      const inet = value as { readonly address: string };
      return { ...inet, address: bytesOf(inet.address) };
    }
    case "list":
      return (value as readonly unknown[]).map((item) => controlValue(type.of, item));
    case "struct":
      return controlFields(type.fields, value as Fields);
    default:
      return value;
  }
}

function controlFields(layout: Layout, fields: Fields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(layout).map(([name, type]) => [name, controlValue(type, fields[name])]),
  );
}

function fieldsOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map(fieldsOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fieldsOf(each)]));
}

/** Fields of this message as control has them. */
export function controlMessage(name: string, fields: Fields): Record<string, unknown> {
  return controlFields(SHAPES[name]!.fields, fields);
}

export function encode(name: string, fields: Fields): Reply {
  const codec = codecs.get(name);
  if (codec === undefined) return { unsupported: true };
  try {
    const payload = codec.encode(controlMessage(name, fields));
    return { status: "ok", payload: Buffer.from(payload).toString("hex") };
  } catch (error) {
    if (error instanceof RangeError) return { status: "invalid" };
    throw error;
  }
}

export function decode(name: string, payload: string): Reply {
  if (name === "Hello") {
    const { errno, regionPages } = decodeHello(bytesOf(payload));
    return { status: "ok", fields: { errno, regionPages } };
  }
  const codec = codecs.get(name);
  if (codec === undefined) return { unsupported: true };
  return { status: "ok", fields: fieldsOf(codec.decode(bytesOf(payload))) as Fields };
}
