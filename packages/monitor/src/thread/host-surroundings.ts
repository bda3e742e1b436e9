// The reactor's view of the host that it runs on (policy/surroundings.ts): the kernel is asked about an address when it
// is judged, and the main thread tells which NAT64 prefixes it has found.
//
// Asked, and not told: a list of addresses that follows the kernel's messages is late by as much as the reactor is
// busy, and does not know of networks routed to this host. One question costs two system calls, for an address that a
// name led to and that no rule has.

import { bind, closeFd, Errno, Routes, tcpSocket } from "@ringway/linux";
import { type Address, addressBytes, type Network, networkFrom } from "../policy/networks.ts";
import type { Surroundings } from "../policy/surroundings.ts";

export class HostSurroundings implements Surroundings, Disposable {
  readonly #routes: Routes = new Routes();
  #nat64: readonly Network[] = [];

  get nat64(): readonly Network[] {
    return this.#nat64;
  }

  /** The network has these prefixes, beside the well-known one. */
  set(prefixes: readonly string[]): void {
    this.#nat64 = prefixes.map(networkFrom);
  }

  isOwn(address: Address): boolean {
    return this.isHere(addressBytes(address));
  }

  isBroadcast(address: Address): boolean {
    return address.family === 4 && this.#routes.isBroadcast(addressBytes(address));
  }

  /** isOwn() for 4 or 16 bytes. */
  isHere(address: Uint8Array): boolean {
    const answer = this.#routes.leadsHere(address);
    return answer < 0 ? mayBind(address) : answer === 1;
  }

  [Symbol.dispose](): void {
    this.#routes[Symbol.dispose]();
  }
}

/**
 * Where netlink is forbidden: a socket can be bound to the host's own addresses alone, unless ip_nonlocal_bind says
 * otherwise. Where it fails for another reason than that the address is not here, it counts as here.
 */
function mayBind(address: Uint8Array): boolean {
  const family = address.length === 4 ? 4 : 6;
  const fd = tcpSocket(family);
  if (fd < 0) return true;
  const result = bind(fd, { family, address, port: 0 });
  closeFd(fd);
  return result !== -Errno.EADDRNOTAVAIL;
}
