// @ringway/control: everything that both sides of a region must agree on. See PROTOCOL.md.

export * from "./address.ts";
export * from "./allocator.ts";
export type { ControlHandler } from "./control-server.ts";
export * from "./doorbell.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./guest-session.ts";
export * from "./hello.ts";
export * from "./host-session.ts";
export * as layout from "./layout.ts";
export { Closed, GuestState, HostState, PAGE_BYTES, pipePages } from "./layout.ts";
export * from "./limits.ts";
export * from "./memory.ts";
export * from "./messages/common.ts";
export * from "./messages/control.ts";
export * as fileMessages from "./messages/file.ts";
export * as fsMessages from "./messages/fs.ts";
export * from "./messages/stream.ts";
export * from "./messages/tcp.ts";
export * from "./pipe.ts";
export * from "./ring.ts";
export type { HostLimits } from "./stream-table.ts";
export { decodeUtf8, encodeUtf8 } from "./utf8.ts";
export { type Body, type Field, type Message, PayloadReader, PayloadWriter } from "./wire.ts";
