// Groups of a UDP socket, as a program names them and as the wire does (PROTOCOL.md UDP-13).

import { formatIp, inet, parseIp, type udpMessages } from "@ringway/control";
import { Errno, invalidType } from "@ringway/linux";
import { errnoError } from "../../errors.ts";
import { nodeError } from "../socket-arguments.ts";

/** A request to join or leave, and what tells this membership from others. Throws as dgram does. */
export function groupRequest(
  syscall: string,
  family: 4 | 6,
  source: string | undefined,
  group: unknown,
  through: unknown,
): { readonly request: udpMessages.UdpJoin; readonly key: string } {
  const isSource = syscall.includes("Source");
  if (isSource) {
    if (typeof source !== "string") throw invalidType("sourceAddress", "of type string", source);
    if (typeof group !== "string") throw invalidType("groupAddress", "of type string", group);
  } else if (!group) {
    const message = 'The "multicastAddress" argument must be specified';
    throw nodeError(TypeError, "ERR_MISSING_ARGS", message);
  }
  const bytes = family === 4 ? 4 : 16;
  const any = new Uint8Array(bytes);
  const parsed = [group, isSource ? source : undefined, through].map((text) =>
    text === undefined || text === null || text === "" ? any : parseIp(String(text)),
  );
  const isGroup = ([first]: Uint8Array): boolean => (family === 4 ? first! >>> 4 === 14 : first === 0xff);
  if (parsed.some((each) => each?.length !== bytes) || !isGroup(parsed[0]!)) {
    throw errnoError(Errno.EINVAL, { syscall });
  }
  const [group_, source_, interface_] = parsed.map((each) => inet(each!, 0));
  const key = parsed.map((each) => formatIp(each!)).join(" ");
  return { request: { group: group_!, source: source_!, interface: interface_! }, key };
}
