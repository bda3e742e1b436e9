// ringway run with programs that people use, each unchanged. Those that are large to install are in large.nightly.ts;
// terminals, files and escapes are in the files beside this folder.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { missing } from "../../agent/agent.ts";
import { run, titled } from "../../native/toolchain.ts";
import { until } from "../../support/wait.ts";
import { FIXTURES, noRun } from "../inside.ts";
import { ROWS } from "./programs.ts";
import { matrixTests } from "./tests.ts";

const reason = noRun ?? missing("ip") ?? missing("nsenter");
/** Names of the host's that are looked up and connected to, one after the other. */
const MANY = 1000;
const MANY_PORT = 7000;
/** fixtures/nginx.conf has it, and the one behind it, which no rule lets be the host's. */
const NGINX_PORT = 8080;
/** Of the host's server until that ends. */
const TAKEN_PORT = 8090;
const noNginx = missing("/usr/sbin/nginx") ?? missing("curl");

describe.skipIf(reason !== undefined)(titled("in ringway run", reason), () => {
  const matrix = matrixTests(ROWS, {
    build: (folder) => {
      const words = ["-static", "-O1", "-o", join(folder, "musl-get"), join(FIXTURES, "musl-get.c")];
      const { status, stderr } = run("musl-gcc", words);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    },
    names: Array.from({ length: MANY }, (_, index) => `n${index}.many.test`),
    ports: [MANY_PORT],
    listens: [NGINX_PORT, TAKEN_PORT],
  });

  /** What the host's curl says of its own port: the body, or its exit code. */
  const asked = async (port: number): Promise<string | number> => {
    using curl = matrix.host.network.start(["curl", "-sS", "-m", "10", `http://127.0.0.1:${port}/`]);
    const { code, stdout } = await curl.ended;
    return code === 0 ? stdout : (code as number);
  };

  test.skipIf(noNginx !== undefined)(
    titled("nginx inside is served to the host while it runs, at the port that a rule allows", noNginx),
    async () => {
      const nginx = ["/usr/sbin/nginx", "-e", "/tmp/nginx-errors.log", "-c", "/fixtures/nginx.conf"];
      expect(await matrix.inside.run(...nginx)).toMatchObject({ code: 0, out: "" });
      await until("its page", async () => (await asked(NGINX_PORT)) === "hello from nginx\n");
      const refused = `no listen rule allows 127.0.0.1:${NGINX_PORT + 1} `;
      await until("the refusal of the other port", () => matrix.inside.program.errors.includes(refused));
      expect(await asked(NGINX_PORT + 1)).toBe(REFUSED);
      expect(await matrix.inside.run(...nginx, "-s", "quit")).toMatchObject({ code: 0 });
      await until("its end", async () => (await asked(NGINX_PORT)) === REFUSED);
    },
  );

  test("a port that the host has already is told, and becomes the program's when it is free", async () => {
    const serve = (what: string): string[] => ["python3", "-c", ANSWERS, String(TAKEN_PORT), what];
    using server = matrix.host.network.start(serve("the host"));
    await server.line("ready");
    const start = ["sh", "-c", '"$@" > /dev/null 2>&1 & echo $!', "sh"];
    const { out } = await matrix.inside.run(...start, ...serve("inside"));
    const taken = new RegExp(
      `^ringway: publish .* to ${TAKEN_PORT}: .*Address already in use: trying again$`,
      "m",
    );
    await until("the word", () => taken.test(matrix.inside.program.errors));
    expect(await asked(TAKEN_PORT)).toBe("the host");
    server[Symbol.dispose]();
    await until("its turn", async () => (await asked(TAKEN_PORT)) === "inside");
    await matrix.inside.run("kill", out.trim());
  });

  test("a thousand names have a thousand addresses, each of which leads to its name", async () => {
    using server = matrix.host.network.start(["python3", "-c", COUNTS, String(MANY_PORT)]);
    await server.line("ready");
    const { out, err } = await matrix.inside.run("python3", "-c", LOOKUPS, String(MANY), String(MANY_PORT));
    expect({ out, err }).toEqual({ out: `${MANY} addresses, ${MANY} connections\n`, err: "" });
  });
});

/** What curl gives where nobody listens. */
const REFUSED = 7;

/** Answers with a text, whatever is asked. */
const ANSWERS = `
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
print("ready", flush=True)
server.serve_forever()`;

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
