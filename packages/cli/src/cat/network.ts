// What a cat asks of a network: the host's own sockets, or a guest's. All streams are half-open ones of Node's kind.

import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";

/** Where a stream goes to, or is accepted: a port of a host, or the path of a Unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

export type Family = 4 | 6 | undefined;

export interface Connecting {
  readonly to: Address;
  /** Where it comes from: an address of this host, and a port or 0. */
  readonly from: { readonly host: string; readonly port: number } | undefined;
  readonly signal: AbortSignal;
}

export interface Accepting {
  readonly at: Address;
  /** The address "::" does not stand for IPv4's as well. */
  readonly ipv6Only: boolean;
  onStream(stream: Duplex): void;
  /** It does not listen any more. */
  onError(error: Error): void;
}

export interface Listening {
  readonly address: Address;
  /** No more streams; those that are there stay. */
  close(): void;
}

/** The part of node:dgram's sockets that a guest's have as well. */
export interface Datagrams extends EventEmitter {
  bind(options: { port: number; address?: string }): unknown;
  send(chunk: Uint8Array, port: number, address: string, callback: (error: Error | null) => void): void;
  address(): { readonly address: string; readonly port: number };
  setBroadcast(on: boolean): void;
  setTTL(ttl: number): unknown;
  setMulticastTTL(ttl: number): unknown;
  setMulticastLoopback(on: boolean): unknown;
  setMulticastInterface(address: string): void;
  addMembership(group: string, networkInterface?: string): void;
  setSendBufferSize(bytes: number): void;
  setRecvBufferSize(bytes: number): void;
  close(): unknown;
}

export interface Network {
  readonly family: Family;
  connect(options: Connecting): Promise<Duplex>;
  listen(options: Accepting): Promise<Listening>;
  /** `reuseAddr`: others of this host may have the port as well. */
  datagrams(type: "udp4" | "udp6", reuseAddr: boolean): Datagrams;
  /** Calls back once nothing is to be had of it any more. */
  onGone(callback: (error: Error) => void): void;
  /** All addresses of a name, of the family that is asked for. */
  resolve(host: string): Promise<readonly { readonly address: string; readonly family: number }[]>;
  /** Literal addresses of this machine, for `:PORT`; undefined where nobody tells. */
  localAddresses(): readonly string[] | undefined;
  close(): Promise<void>;
}
