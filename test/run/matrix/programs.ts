// The programs of the matrix: what each is asked to do, with no setting that knows of Ringway, and what it says then.
// In a command, {at} is the server as host:port, {host} and {port} are its halves.

import { missing } from "../../agent/agent.ts";
import { lacks, run } from "../../native/toolchain.ts";
import type { ServiceName } from "./host.ts";
import { HELLO, OF_APT, OF_GIT, OF_NPM } from "./site.ts";

/** What a program says of a server that it does not reach: as of any on a real network. */
export interface Complaints {
  /** Nobody listens. */
  readonly closed: RegExp;
  /** The policy refuses. */
  readonly denied: RegExp;
  /** There is no such name. */
  readonly unknown: RegExp;
}

export interface Row {
  readonly name: string;
  readonly service: ServiceName;
  /** For a shell in the guest. */
  readonly command: string;
  /** What it prints. */
  readonly says: string | RegExp;
  readonly complaints: Complaints;
  /** Why it cannot run, or undefined. */
  readonly absent?: string | undefined;
}

const complaints = (unknown: RegExp, more: Partial<Complaints> = {}): Complaints => ({
  closed: /Connection refused/,
  denied: /No route to host/,
  unknown,
  ...more,
});

const TEMPORARY = /Temporary failure in name resolution/;
const python = (module: string): string | undefined =>
  run("/usr/bin/python3", ["-c", `import ${module}`]).status === 0
    ? undefined
    : `python3-${module} is not installed`;

const URLLIB = `import sys, urllib.request as r; print(r.urlopen("http://" + sys.argv[1] + "/hello").read().decode())`;
const REQUESTS = `import sys, requests as r; print(r.get("http://" + sys.argv[1] + "/hello").text)`;
const FETCH = `fetch("http://" + process.argv[1] + "/hello").then((it) => it.text()).then((it) => console.log(it));`;
const CHAT = `
import asyncio, sys, websockets
async def main():
    async with websockets.connect("ws://" + sys.argv[1]) as socket:
        await socket.send("hello")
        print(await socket.recv())
asyncio.run(main())`;
const NPM = ["no-audit", "no-fund", "no-update-notifier", "fetch-retries=0", "registry=http://{at}/npm/"];
const iperf = (options: string): string => `iperf3 -c {host} -p {port} ${options}`;

/** For all that say ECONNREFUSED and the like. */
const CODES: Complaints = {
  closed: /ECONNREFUSED/,
  denied: /EHOSTUNREACH/,
  unknown: /EAI_AGAIN|ENOTFOUND/,
};

export const ROWS: readonly Row[] = [
  {
    name: "curl",
    service: "web",
    command: "curl -sSv http://{at}/hello",
    says: HELLO,
    complaints: complaints(/Could not resolve host/),
    absent: missing("curl"),
  },
  {
    name: "wget",
    service: "web",
    command: "wget -t 1 -O - http://{at}/hello",
    says: HELLO,
    complaints: complaints(TEMPORARY),
    absent: missing("wget"),
  },
  {
    name: "git over http",
    service: "web",
    command:
      "rm -rf /tmp/clone; GIT_CURL_VERBOSE=1 git clone -q http://{at}/project.git /tmp/clone; cat /tmp/clone/file.txt",
    says: OF_GIT,
    complaints: complaints(/Could not resolve host/),
    absent: missing("git"),
  },
  {
    name: "git over ssh",
    service: "shell",
    command:
      "rm -rf /tmp/clone; git clone -q ssh://{at}/{site}/project.git /tmp/clone; cat /tmp/clone/file.txt",
    says: OF_GIT,
    complaints: complaints(TEMPORARY),
    absent: missing("git"),
  },
  {
    name: "ssh",
    service: "shell",
    command: "ssh -p {port} {host} cat {site}/hello",
    says: HELLO,
    complaints: complaints(TEMPORARY),
    absent: missing("ssh"),
  },
  {
    name: "sftp",
    service: "shell",
    command: "rm -f /tmp/hello; sftp -P {port} {host}:{site}/hello /tmp/hello; cat /tmp/hello",
    says: HELLO,
    complaints: complaints(TEMPORARY),
    absent: missing("sftp"),
  },
  {
    name: "ssh -L",
    service: "shell",
    command: `ssh -f -N -M -S /tmp/ssh -o ExitOnForwardFailure=yes -L 9000:127.0.0.1:8000 -p {port} {host} &&
      curl -sS http://127.0.0.1:9000/hello; said=$?; ssh -S /tmp/ssh -O exit {host}; exit $said`,
    says: HELLO,
    complaints: complaints(TEMPORARY),
    absent: missing("ssh") ?? missing("curl"),
  },
  {
    name: "npm install",
    service: "web",
    command: `rm -rf /tmp/npm; mkdir /tmp/npm; cd /tmp/npm; npm install --${NPM.join(" --")} thing && node node_modules/thing`,
    says: OF_NPM,
    complaints: CODES,
    absent: missing("npm"),
  },
  {
    name: "apt-get update and install",
    service: "web",
    command: "sh /fixtures/apt-install.sh {at}",
    says: OF_APT,
    complaints: complaints(/Temporary failure resolving/),
    absent: missing("apt-get") ?? missing("dpkg-deb"),
  },
  {
    name: "Python's urllib",
    service: "web",
    command: `python3 -c '${URLLIB}' {at}`,
    says: HELLO,
    complaints: complaints(TEMPORARY),
  },
  {
    name: "Python's requests",
    service: "web",
    command: `/usr/bin/python3 -c '${REQUESTS}' {at}`,
    says: HELLO,
    complaints: complaints(TEMPORARY),
    absent: python("requests"),
  },
  {
    name: "Node's fetch",
    service: "web",
    command: `node -e '${FETCH}' {at}`,
    says: HELLO,
    complaints: CODES,
  },
  {
    name: "a Go program, with Go's own resolver",
    service: "web",
    command: "hey -n 1 -c 1 http://{at}/hello",
    says: "[200]\t1 responses",
    complaints: complaints(/lookup/, { closed: /connection refused/, denied: /no route to host/ }),
    absent: missing("hey"),
  },
  {
    name: "a static program of musl's, with musl's own resolver",
    service: "web",
    command: "/programs/musl-get {host} {port} /hello",
    says: HELLO,
    complaints: complaints(/Try again/, { denied: /Host is unreachable/ }),
    absent: lacks("musl-gcc", ["-static"]),
  },
  {
    name: "PostgreSQL's psql",
    service: "db",
    command: `psql "host={host} port={port} user=postgres" -Atc "select 6 * 7"`,
    says: "42",
    complaints: complaints(TEMPORARY),
    absent: missing("psql"),
  },
  {
    name: "redis-cli",
    service: "kv",
    command: "redis-cli -h {host} -p {port} set key value && redis-cli -h {host} -p {port} get key",
    says: "OK\nvalue\n",
    complaints: complaints(TEMPORARY),
    absent: missing("redis-cli"),
  },
  {
    name: "dig, over UDP",
    service: "dns",
    command: "dig +short +tries=1 +time=9 @{host} -p {port} one.test",
    says: "192.0.2.7\n",
    complaints: complaints(/couldn't get address/, {
      closed: /connection refused/,
      denied: /host unreachable/,
    }),
    absent: missing("dig"),
  },
  {
    name: "dig, over TCP",
    service: "dns",
    command: "dig +tcp +short +tries=1 +time=9 @{host} -p {port} one.test",
    says: "192.0.2.7\n",
    complaints: complaints(/couldn't get address/, {
      closed: /connection refused/,
      denied: /host unreachable/,
    }),
    absent: missing("dig"),
  },
  {
    name: "iperf3, over TCP",
    service: "perf",
    command: iperf("-n 8M"),
    says: /sender[\s\S]*receiver/,
    complaints: complaints(/unable to connect to server/),
    absent: missing("iperf3"),
  },
  {
    name: "iperf3, over UDP",
    service: "perfUdp",
    command: iperf("-u -b 5M -l 1200 -n 64K"),
    says: /sender[\s\S]*receiver/,
    complaints: complaints(/unable to connect to server/),
    absent: missing("iperf3"),
  },
  {
    name: "a WebSocket",
    service: "chat",
    command: `/usr/bin/python3 -c '${CHAT}' {at}`,
    says: "you said hello\n",
    complaints: complaints(TEMPORARY, {
      closed: /Errno 111|Connect call failed/,
      denied: /Errno 113|No route to host/,
    }),
    absent: python("websockets"),
  },
];
