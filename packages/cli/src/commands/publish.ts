// ringway publish and unpublish: ports of the host that lead to ports of guests, of a running monitor.

import type { PublishOptions, PublishStatus } from "@ringway/monitor";
import { withAdmin } from "../admin/client.ts";
import { hostPort, hostPortText } from "../admin/host-port.ts";
import { type Column, jsonText, plain, table } from "../admin/text.ts";
import { byText } from "../admin/who.ts";
import { Exit, failureOf, UsageError } from "../errors.ts";

interface Options {
  readonly admin?: string;
  readonly json?: boolean;
}

const COLUMNS: readonly Column<PublishStatus>[] = [
  { title: "HOST", of: ({ id }) => id },
  { title: "GUEST", of: ({ guest }) => guest },
  { title: "PORT", right: true, of: ({ guestPort }) => String(guestPort) },
  { title: "LISTENERS", right: true, of: ({ listeners }) => String(listeners) },
  { title: "SINCE", of: ({ time }) => time },
  { title: "BY", of: ({ by }) => byText(by) },
];

const GUEST = /^([^:]+)(?::(\d{1,5}))?$/;

/** GUEST[:PORT]. Throws UsageError. */
function guestPort(text: string): Pick<PublishOptions, "guest" | "guestPort"> {
  const [, guest, port] = GUEST.exec(text) ?? [];
  if (guest === undefined) throw new UsageError(`expected GUEST[:PORT], such as web:80, found "${text}"`);
  return { guest, ...(port === undefined ? {} : { guestPort: Number(port) }) };
}

/** Without a port: lists those that there are. */
export async function publish(
  host: string | undefined,
  guest: string | undefined,
  options: Options,
): Promise<number> {
  if (host === undefined) return await listPublishes(options);
  if (guest === undefined) throw new UsageError("expected GUEST[:PORT] behind the port of the host");
  const asked = { ...hostPort(host), ...guestPort(guest) };
  return await withAdmin(options.admin, async (client) => {
    const published = await client.publish(asked);
    if (options.json) console.log(jsonText(published, 2));
    else console.log(`${published.id} leads to ${plain(published.guest)}:${published.guestPort}`);
    return Exit.OK;
  });
}

async function listPublishes(options: Options): Promise<number> {
  return await withAdmin(options.admin, async (client) => {
    const publishes = await client.publishes();
    console.log(options.json ? jsonText(publishes, 2) : table(COLUMNS, publishes).join("\n"));
    return Exit.OK;
  });
}

/** Each by itself: one that is not there keeps none of the others. */
export async function unpublish(hosts: readonly string[], options: Options): Promise<number> {
  const places = hosts.map((host) => hostPortText(hostPort(host)));
  let code: number = Exit.OK;
  for (const place of places) {
    try {
      await withAdmin(options.admin, (client) => client.unpublish(place));
      console.log(`${place}: published no more`);
    } catch (error) {
      const { text, exitCode } = failureOf(error);
      process.stderr.write(text);
      code = exitCode;
    }
  }
  return code;
}
