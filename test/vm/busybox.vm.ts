// The smallest guest: a kernel, busybox and the agent, in memory; and curl, to ask as others do.

import { testGuest } from "./suite.ts";

testGuest("busybox");
