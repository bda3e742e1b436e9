// A guest of Debian's own packages, on a disk that is read-only.

import { testGuest } from "./suite.ts";

testGuest("debian");
