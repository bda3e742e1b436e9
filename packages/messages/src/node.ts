// What @ringway/messages/node exports: the adapter for Node's streams.

export type { Connect } from "./node/attempt.ts";
export { Connection, type ConnectionOptions } from "./node/connection.ts";
export { type Accepting, type Dial, type Hello, type Peer, Peers, type PeersOptions } from "./node/peers.ts";
