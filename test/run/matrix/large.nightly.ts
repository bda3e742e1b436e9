// The programs of the matrix that are large to install: `npm run nightly`.

import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { missing } from "../../agent/agent.ts";
import { run } from "../../native/toolchain.ts";
import { FIXTURES, noRun } from "../inside.ts";
import type { Row } from "./programs.ts";
import { HELLO, PARTS } from "./site.ts";
import { matrixTests } from "./tests.ts";

const reason = noRun ?? missing("ip") ?? missing("nsenter");
// All of it would be skipped, and nobody reads that: whoever asks for these tests wants them to run.
if (reason !== undefined) throw new Error(reason);
const CHROMIUM = "chromium --headless --no-sandbox --disable-gpu --user-data-dir=/tmp/chromium";

const ROWS: readonly Row[] = [
  {
    name: "a static Go program",
    service: "web",
    command: "/programs/go-get http://{at}/hello",
    says: HELLO,
    complaints: { closed: /connection refused/, denied: /no route to host/, unknown: /lookup nowhere\.test/ },
  },
  {
    name: "Java",
    service: "web",
    command: "java /programs/Get.java http://{at}/hello",
    says: HELLO,
    complaints: {
      closed: /ConnectException: Connection refused/,
      denied: /NoRouteToHostException: No route to host/,
      unknown: /UnknownHostException/,
    },
  },
  {
    name: "Chromium, with a page of several hosts,",
    service: "web",
    command: `${CHROMIUM} --dump-dom http://{at}/page.html`,
    says: `data-parts="${PARTS.length}"`,
    complaints: {
      closed: /ERR_CONNECTION_REFUSED/,
      // Where something fails, and there is no network card, it takes itself to be offline.
      denied: /ERR_(INTERNET_DISCONNECTED|ADDRESS_UNREACHABLE)/,
      unknown: /ERR_(INTERNET_DISCONNECTED|NAME_NOT_RESOLVED)/,
    },
  },
];

describe("in ringway run", () => {
  matrixTests(ROWS, {
    build: (folder) => {
      const flags = [
        "CGO_ENABLED=0",
        "GOFLAGS=-mod=mod",
        "GO111MODULE=off",
        `GOCACHE=${join(folder, "../go-cache")}`,
      ];
      const words = ["go", "build", "-o", join(folder, "go-get"), join(FIXTURES, "get.go")];
      const { status, stderr } = run("env", [...flags, ...words]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      copyFileSync(join(FIXTURES, "Get.java"), join(folder, "Get.java"));
    },
    names: PARTS,
    ports: [],
    // Debian's Java and Chromium have settings there.
    system: readdirSync("/etc")
      .filter((name) => /^(java-\d+-openjdk|chromium\.d)$/.test(name))
      .map((name) => join("/etc", name)),
  });
});
