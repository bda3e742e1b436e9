// What a newer host may say on its own account, and this version does not know (FRM-7).

import { FROM_HOST, type Frame } from "@ringway/control";

/** To be passed over: nobody asked for it, and it is none of the types that have a meaning here. */
export function isUnknown({ type, requestId }: Frame, ...known: readonly number[]): boolean {
  return requestId === 0 && (type & FROM_HOST) !== 0 && !known.includes(type);
}
