// Addresses in the form that node:net gives them.

import { formatIp, type InetAddress } from "@ringway/control";

/** What net.Socket's and net.Server's address() give. */
export interface SocketAddress {
  /** A literal IPv4 or IPv6 address. */
  address: string;
  family: "IPv4" | "IPv6";
  /** 0 to 65535. */
  port: number;
}

export function socketAddress({ address, family, port }: InetAddress): SocketAddress {
  return { address: formatIp(address), family: family === 4 ? "IPv4" : "IPv6", port };
}
