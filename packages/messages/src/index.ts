// What @ringway/messages exports: the core, which is ECMAScript and two globals of the Encoding Standard.

export { BackOff, type BackOffOptions } from "./core/back-off.ts";
export { type Ban, Bans } from "./core/bans.ts";
export { Channel, Channels, type ChannelsOptions, GRANTS } from "./core/channels.ts";
export {
  type Bytes,
  CannotEncode,
  type Codec,
  type Decoded,
  type Frame,
  type Malformed,
  type More,
  type Writer,
} from "./core/codec.ts";
export { type Addressed, addressed } from "./core/codecs/addressed.ts";
export { type CobsOptions, cobs } from "./core/codecs/cobs.ts";
export { type Json, type JsonLinesOptions, jsonLines } from "./core/codecs/json-lines.ts";
export { type LengthOptions, lengthDelimited } from "./core/codecs/length-delimited.ts";
export { type NetstringOptions, netstring } from "./core/codecs/netstring.ts";
export { type VarintOptions, varintDelimited } from "./core/codecs/varint-delimited.ts";
export type {
  Closed,
  Ending,
  EndOfStream,
  Io,
  MalformedStream,
  Refused,
  Stale,
  Thrown,
  Timeout,
  Unsent,
} from "./core/ending.ts";
export { encodeFrame } from "./core/frames.ts";
export {
  MessageStream,
  type PingOptions,
  type StreamOptions,
  type StreamState,
  type Telemetry,
} from "./core/message-stream.ts";
export type { Problem } from "./core/receive-buffer.ts";
