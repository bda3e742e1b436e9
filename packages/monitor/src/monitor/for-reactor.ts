// A loaded policy as the reactor's thread gets it.

import type { LoadedPolicy } from "../loading/messages.ts";
import type { PolicyInForce } from "../thread/messages.ts";

/** What guests are judged by: the rules themselves stay here. */
export function forReactor({ compiled, roots }: LoadedPolicy): PolicyInForce {
  return { compiled, roots };
}
