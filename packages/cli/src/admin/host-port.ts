// Ports of the host, as the command takes and shows them: [ADDRESS:]PORT.

import { formatHostPort } from "@ringway/control";
import type { PublishOptions } from "@ringway/monitor";
import { UsageError } from "../errors.ts";

type Place = Pick<PublishOptions, "address" | "port">;

const PLACE = /^(?:(?:\[([^\]]+)\]|([\d.]+)):)?(\d{1,5})$/;

/** Throws UsageError. */
export function hostPort(text: string): Place {
  const [, bracketed, address = bracketed, port] = PLACE.exec(text) ?? [];
  if (port === undefined)
    throw new UsageError(`expected [ADDRESS:]PORT of the host, such as 8080 or 0.0.0.0:80, found "${text}"`);
  return { port: Number(port), ...(address === undefined ? {} : { address }) };
}

/** As the monitor calls it. */
export function hostPortText({ address = "127.0.0.1", port }: Place): string {
  return formatHostPort(address, port);
}
