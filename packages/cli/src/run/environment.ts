// What of the environment the program gets: what describes the terminal, the language and the user. All else may be a
// secret, and is asked for by --env.

import { UsageError } from "../errors.ts";
import type { Who } from "./who.ts";

const KEPT = /^(PATH|TERM|COLORTERM|LANG|LANGUAGE|LC_[A-Z_]+|TZ|NO_COLOR|FORCE_COLOR|COLUMNS|LINES)$/;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** `asked`: NAME=VALUE, or NAME for the one of `own`. Throws UsageError for what is neither. */
export function environmentOf(
  own: NodeJS.ProcessEnv,
  who: Who,
  asked: readonly string[],
): Record<string, string> {
  const environment: Record<string, string> = { PATH };
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined && KEPT.test(name)) environment[name] = value;
  }
  Object.assign(environment, { HOME: who.home, USER: who.name, LOGNAME: who.name, SHELL: who.shell });
  for (const text of asked) {
    const [, name, value] = /^([^=]+)(?:=([\s\S]*))?$/.exec(text) ?? [];
    if (name === undefined)
      throw new UsageError(`--env: expected NAME or NAME=VALUE, found ${JSON.stringify(text)}`);
    const given = value ?? own[name];
    if (given !== undefined) environment[name] = given;
  }
  return environment;
}
