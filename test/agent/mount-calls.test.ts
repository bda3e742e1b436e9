// ringway-agent --mount: what it gives for each call, in many combinations, is what a folder of the host's gives. All
// of them are in mount.nightly.ts.

import { beforeAll, describe, test } from "vitest";
import { titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { BUILD_MS } from "./agent.ts";
import { type Mounted, mountFolder, noMount, sameCalls } from "./mount-oracle.ts";

/** Some five hundred of them. */
const ONE_OF = 167;

describe.skipIf(noMount !== undefined)(titled("ringway-agent --mount", noMount), () => {
  let mounted: Mounted;
  const hold = heldForAll();
  beforeAll(async () => {
    mounted = await mountFolder(hold);
  }, BUILD_MS);

  test(
    "each call on each kind of thing, by whoever may or may not, gives what it gives on the host, and changes the same",
    () => sameCalls(mounted, ONE_OF),
    BUILD_MS,
  );
});
