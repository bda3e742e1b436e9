// What @ringway/messages/node exports: the adapter for Node's streams.

export { Connection, type ConnectionOptions } from "./node/connection.ts";
