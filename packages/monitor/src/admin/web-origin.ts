// Whether a request over TCP was meant for this server by who sent it. A browser sends requests to any address that a
// page names: the Host header tells a name that was made to lead here (DNS rebinding), Origin tells a page of another.

import { canonicalAddress } from "@ringway/control";

export interface Served {
  readonly address: string;
  readonly port: number;
}

/** Undefined: it was. */
export function originProblem(
  { address, port }: Served,
  host: string | undefined,
  origin: string | undefined,
): string | undefined {
  const [, name, at] = /^(\[[0-9a-f:.]+\]|[^:]+)(?::(\d+))?$/i.exec(host ?? "") ?? [];
  if (name === undefined || Number(at ?? 80) !== port || !isName(name, address)) {
    return "the Host header names another than this server";
  }
  if (origin !== undefined && origin !== `http://${host}`) return "it comes from a page of another origin";
  return undefined;
}

function isName(name: string, address: string): boolean {
  const plain = name.replace(/^\[(.*)\]$/, "$1");
  if (plain.toLowerCase() === "localhost") return true;
  // An address of IPv6 may be written in many ways.
  const [called, served] = [canonicalAddress(plain), canonicalAddress(address)];
  // At every address of the host it is called by any of them, and by no name that others may give it.
  return called !== undefined && (called === served || served === "0.0.0.0" || served === "::");
}
