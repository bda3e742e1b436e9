// The guests that --listen and --vm name, and those of a file of --config, together: what is wrong between them is told
// here, in the words of the options.

import { type GuestOptions, guestsProblem, type VmOptions } from "@ringway/monitor";
import { UsageError } from "../errors.ts";
import { parseListenOption } from "./listen-option.ts";
import { parseVmOption } from "./vm-option.ts";

export interface NamedGuests {
  /** Where guests without a name attach. */
  readonly listen?: string;
  readonly guests: readonly GuestOptions[];
  readonly vms: readonly VmOptions[];
}

const NONE: NamedGuests = { guests: [], vms: [] };

/** `file`: those of --config, whose socket without a name one that is typed stands for. Throws UsageError. */
export function guestsOf(
  listen: readonly string[],
  vm: readonly string[],
  file: NamedGuests = NONE,
): NamedGuests {
  const paths: string[] = [];
  const guests: GuestOptions[] = [...file.guests];
  for (const text of listen) {
    const parsed = parseListenOption(text);
    if ("problem" in parsed) throw new UsageError(`--listen: ${parsed.problem}`);
    if ("path" in parsed) paths.push(parsed.path);
    else guests.push(parsed);
  }
  if (paths.length > 1) {
    throw new UsageError(
      "--listen: expected one SOCKET without a name, found two; give them names: NAME=SOCKET",
    );
  }
  const typed = vm.map((text) => {
    const parsed = parseVmOption(text);
    if (typeof parsed === "string") throw new UsageError(`--vm: ${parsed}`);
    return parsed;
  });
  const vms = [...file.vms, ...typed];
  const path = paths[0] ?? file.listen;
  const problem = guestsProblem(guests, vms, path);
  if (problem !== undefined) throw new UsageError(`--listen, --vm: ${problem}`);
  return { guests, vms, ...(path === undefined ? {} : { listen: path }) };
}
