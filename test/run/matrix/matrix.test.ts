// ringway run with programs that people use, each unchanged. Those that are large to install are in large.nightly.ts;
// terminals, files and escapes are in the files beside this folder.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { missing } from "../../agent/agent.ts";
import { run, titled } from "../../native/toolchain.ts";
import { FIXTURES, noRun } from "../inside.ts";
import { ROWS } from "./programs.ts";
import { matrixTests } from "./tests.ts";

const reason = noRun ?? missing("ip") ?? missing("nsenter");
/** Names of the host's that are looked up and connected to, one after the other. */
const MANY = 1000;
const MANY_PORT = 7000;

describe.skipIf(reason !== undefined)(titled("in ringway run", reason), () => {
  const matrix = matrixTests(ROWS, {
    build: (folder) => {
      const words = ["-static", "-O1", "-o", join(folder, "musl-get"), join(FIXTURES, "musl-get.c")];
      const { status, stderr } = run("musl-gcc", words);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    },
    names: Array.from({ length: MANY }, (_, index) => `n${index}.many.test`),
    ports: [MANY_PORT],
  });

  test("a thousand names have a thousand addresses, each of which leads to its name", async () => {
    using server = matrix.host.network.start(["python3", "-c", COUNTS, String(MANY_PORT)]);
    await server.line("ready");
    const { out, err } = await matrix.inside.run("python3", "-c", LOOKUPS, String(MANY), String(MANY_PORT));
    expect({ out, err }).toEqual({ out: `${MANY} addresses, ${MANY} connections\n`, err: "" });
  });
});

/** Tells each connection how many there were. */
const COUNTS = `
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
print("ready", flush=True)
count = 0
while True:
    with server.accept()[0] as connection:
        count += 1
        connection.sendall(str(count).encode())`;

const LOOKUPS = `
import socket, sys
many, port = map(int, sys.argv[1:])
found = [socket.getaddrinfo(f"n{i}.many.test", port, socket.AF_INET, socket.SOCK_STREAM)[0][4] for i in range(many)]
for at in found:
    with socket.create_connection(at) as connection: count = connection.recv(100).decode()
print(f"{len(set(found))} addresses, {count} connections")`;
