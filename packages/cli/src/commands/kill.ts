// ringway kill: ends guests and streams of a running monitor.

import { type AdminClient, AdminError } from "@ringway/monitor";
import { guestsOf, unlessGone, withAdmin } from "../admin/client.ts";
import { plain } from "../admin/text.ts";
import { Exit, Failure, failureOf } from "../errors.ts";

/** As ps --streams has them; no guest is called so, since a name begins with a letter and an id is one number. */
const STREAM = /^\d+-\d+-\d+$/;

/** Each by itself: one that is not there keeps none of the others. */
export async function kill(
  targets: readonly string[],
  options: { readonly admin?: string },
): Promise<number> {
  let code: number = Exit.OK;
  for (const target of targets) {
    try {
      await withAdmin(options.admin, (client) =>
        STREAM.test(target) ? client.resetStream(target) : endGuests(client, target),
      );
      console.log(`${plain(target)}: ended`);
    } catch (error) {
      const { text, exitCode } = failureOf(error);
      process.stderr.write(text);
      code = exitCode;
    }
  }
  return code;
}

/**
 * All of an attach socket, where it is the name of one. Who has left by itself has ended; where the monitor does not
 * end one, it is asked for the others all the same.
 */
async function endGuests(client: AdminClient, target: string): Promise<void> {
  const { items } = await guestsOf(client, target);
  if (items.length === 0) throw new Failure(`nobody is there of ${plain(target)}`);
  const failures: string[] = [];
  for (const { id } of items) {
    try {
      await unlessGone(client.closeGuest(id));
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
      failures.push(plain(`${id}: ${error.message}`));
    }
  }
  if (failures.length === 0) return;
  const many = `${failures.length} of ${items.length} guests of ${plain(target)}`;
  throw new Failure(`${many} have not been ended: ${failures[0]}`);
}
