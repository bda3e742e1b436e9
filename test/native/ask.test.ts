// What the C library has of wire version 1.1 with a real monitor and real peers: names, datagrams, records and a mount,
// by a program that makes one call of it for each line (ask.c).

import { mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  closeFd,
  connectUnix,
  Errno,
  getXattr,
  OpenFlags,
  openat2,
  receiveRecord,
  scratch,
  send,
} from "@ringway/linux";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type NameServer, nameServer } from "../support/dns.ts";
import { heldForAll, heldForEach } from "../support/held.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { freePort } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { udpServer } from "../support/udp.ts";
import { recordEcho } from "../support/unix.ts";
import { until } from "../support/wait.ts";
import { buildProgram, noCompiler, titled } from "./toolchain.ts";

let folder: string;
let data: string;
let host: TestMonitor;
let dns: NameServer;
let program: string;
const holdForAll = heldForAll();
const hold = heldForEach();

const policy = (): string => `version: 1
connect:
  - { id: local, allow: 127.0.0.0/8, protocols: udp }
  - { id: by-name, allow: "*.test", resolvesTo: 127.0.0.0/8, protocols: [tcp, udp] }
  - { id: net, allow: 10.1.0.0/16 }
listen:
  - { id: here, allow: [0.0.0.0, 127.0.0.1, 239.7.7.7], ports: [0, 1024-65535], protocols: udp }
files:
  - { id: data, guest: /data, host: ${data}, access: rw }
sockets:
  - { id: peer, guest: /run/peer, host: ${folder}/peer, access: connect }
  - { id: app, guest: /run/app, host: ${folder}/app, access: listen }
`;

/** A guest with one stream: a line in, a line out. */
class Asker implements Disposable {
  readonly #program: Program;
  readonly #taken: Set<number> = new Set();

  constructor(...args: readonly (string | number)[]) {
    this.#program = new Program(program, args.map(String), { env: { RINGWAY_SOCKET: host.path } });
  }

  /** What stands behind this in the first such line that nobody has taken yet. */
  said(beginning: string): Promise<string> {
    const { lines, child } = this.#program;
    return until(`"${beginning}"`, () => {
      const at = lines.findIndex((line, i) => !this.#taken.has(i) && line.startsWith(beginning));
      if (at >= 0) this.#taken.add(at);
      else if (child.exitCode !== null) throw new Error(`it ended without it: ${this.#program.errors}`);
      return lines[at]?.slice(beginning.length);
    });
  }

  tell(line: string | Uint8Array): void {
    this.#program.child.stdin!.write(Buffer.concat([Buffer.from(line), Buffer.from("\n")]));
  }

  /** Asks, and does not wait for the reply: its id. */
  async post(line: string | Uint8Array): Promise<string> {
    this.tell(line);
    return await this.said("asked ");
  }

  reply(id: string): Promise<string> {
    return this.said(`${id} `);
  }

  async ask(line: string | Uint8Array): Promise<string> {
    return await this.reply(await this.post(line));
  }

  /** Ends, and the host after it; of what it said only events are left. */
  async end(): Promise<void> {
    this.#program.child.stdin!.end();
    await this.said("end");
    await this.#program.succeeds();
    const left = this.#program.lines.filter((line, i) => !this.#taken.has(i) && !line.startsWith("event "));
    expect(left).toEqual([]);
  }

  /** How it was refused. */
  async refused(): Promise<string> {
    const { code, stdout } = await this.#program.ended;
    expect(code).toBe(1);
    return stdout;
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}

const asker = (...args: readonly (string | number)[]): Asker => hold(new Asker(...args));

describe.skipIf(noCompiler !== undefined)(titled("the C library", noCompiler), () => {
  beforeAll(async () => {
    program = buildProgram(temporaryFolder("ask"), "ask", "ask.c", "ask-mount.c");
    folder = temporaryFolder("ask-host");
    data = join(folder, "data");
    mkdirSync(data);
    dns = holdForAll(await nameServer({ "a.test": ["127.0.0.1"] }));
    host = holdForAll(await startMonitor(() => policyOf(policy(), folder), { names: dns.names }));
  }, 180_000);

  test("resolves names and addresses, and tells what is refused", async () => {
    dns.zone.set("two.test", ["127.0.0.9", "127.0.0.10"]);
    dns.ttls.set("two.test", 77);
    dns.zone.set("5.0.1.10.in-addr.arpa", { names: ["five.example"] });
    const it = asker("resolve");
    await it.said("opened");
    const [what, ttl, ...two] = (await it.ask("resolve 4 two.test")).split(" ");
    expect([what, Number(ttl) > 70, two.sort()]).toEqual(["addresses", true, ["127.0.0.10", "127.0.0.9"]]);
    expect(await it.ask("reverse 10.1.0.5")).toMatch(/^names \d+ five\.example$/);
    // Many at once, in any order.
    const ids: string[] = [];
    for (let i = 0; i < 20; i++) ids.push(await it.post("resolve 0 a.test"));
    for (const id of ids) expect(await it.reply(id)).toMatch(/^addresses \d+ 127\.0\.0\.1$/);
    expect(await it.ask("resolve 4 none.test")).toBe(`error ${Errno.ENOENT} `);
    expect(await it.ask("resolve 4 secret.example")).toBe(`error ${Errno.EACCES} default`);
    expect(await it.ask("reverse 8.8.8.8")).toBe(`error ${Errno.EACCES} default`);
    expect(await it.ask("resolve 0 127.0.0.1")).toBe(`error ${Errno.EINVAL} `);
    await it.end();
    await streamsAre(host.monitor, 0);
  });

  test("sends datagrams to a name, and tells what comes back", async () => {
    await using server = await udpServer({ type: "udp4", echoes: true });
    const it = asker("udp-connect", "a.test", server.port);
    expect(await it.said("opened")).toMatch(
      new RegExp(`^ 127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${server.port}$`),
    );
    it.tell("send hello");
    expect(await it.said("datagram ")).toBe("hello");
    await it.end();
    const port = await freePort();
    const nobody = asker("udp-connect", "127.0.0.1", port);
    await nobody.said("opened");
    nobody.tell("send hello");
    expect(await nobody.said("udp-error ")).toBe(`${Errno.ECONNREFUSED}  127.0.0.1 ${port}`);
    await nobody.end();
    expect(await asker("udp-connect", "secret.example", 53).refused()).toBe(
      `refused ${Errno.EACCES} default\n`,
    );
  });

  test("has a bound socket: many peers, names, options, and groups that are joined and left", async () => {
    await using server = await udpServer({ type: "udp4", echoes: true });
    const it = asker("udp-bind", "0.0.0.0", 0);
    const port = Number((await it.said("opened 0.0.0.0 ")).trim());
    expect(await it.ask(`lookup ${server.port} a.test`)).toBe(`peer 127.0.0.1 ${server.port}`);
    expect(await it.ask("lookup 80 none.test")).toBe(`error ${Errno.ENOENT} `);
    it.tell(`send-to 127.0.0.1 ${server.port} one`);
    expect(await it.said("datagram ")).toBe(`127.0.0.1 ${server.port} one`);
    await using other = await udpServer();
    other.socket.send("two", port, "127.0.0.1");
    expect(await it.said("datagram ")).toBe(`127.0.0.1 ${other.port} two`);
    it.tell("send-to 8.8.8.8 53 x");
    expect(await it.said("udp-error ")).toBe(`${Errno.EACCES} default 8.8.8.8 53`);
    expect(await it.ask("set 1 7")).toBe("done");
    expect(await it.ask("set 1 0")).toBe(`error ${Errno.EINVAL} `);
    expect(await it.ask("join 239.7.7.7 127.0.0.1")).toBe("done");
    expect(await it.ask("join 239.7.7.7 127.0.0.1")).toBe(`error ${Errno.EADDRINUSE} `);
    expect(await it.ask("join 239.7.7.8 127.0.0.1")).toBe(`error ${Errno.EACCES} default`);
    other.socket.setMulticastInterface("127.0.0.1");
    other.socket.send("to-all", port, "239.7.7.7");
    expect(await it.said("datagram ")).toBe(`127.0.0.1 ${other.port} to-all`);
    expect(await it.ask("leave 239.7.7.7 127.0.0.1")).toBe("done");
    expect(await it.ask("leave 239.7.7.7 127.0.0.1")).toBe(`error ${Errno.EADDRNOTAVAIL} `);
    other.socket.send("unheard", port, "239.7.7.7");
    other.socket.send("last", port, "127.0.0.1");
    expect(await it.said("datagram ")).toBe(`127.0.0.1 ${other.port} last`);
    await it.end();
  });

  const room = scratch(64 * 1024);

  test("carries records to a socket of the host, each whole, and knows who is there", async () => {
    using _ = recordEcho(join(folder, "peer"));
    const it = asker("unix-connect", "/run/peer");
    expect(await it.said("opened ")).toBe(`${process.pid} ${process.getuid!()} ${process.getgid!()}`);
    for (const text of ["one", "two-of-more-bytes", "3"]) it.tell(`record ${text}`);
    for (const text of ["one", "two-of-more-bytes", "3"]) expect(await it.said("record ")).toBe(text);
    await it.end();
    expect(await asker("unix-connect", "/run/none").refused()).toBe(`refused ${Errno.EACCES} default\n`);
  });

  test("listens at a name of the host, and carries the records of who comes", async () => {
    const it = asker("unix-listen", "/run/app");
    await it.said("opened");
    const fd = connectUnix(join(folder, "app"));
    expect(await it.said("incoming ")).toBe(`${process.pid} ${process.getuid!()} ${process.getgid!()}`);
    room.bytes.set(Buffer.from("hello"));
    expect(send(fd, room.address, 5)).toBe(5);
    expect(await it.said("record ")).toBe("hello");
    it.tell("record an-answer");
    const received = (): Promise<number> =>
      until("a record", () => {
        const count = receiveRecord(fd, room.address, room.bytes.length);
        return count === -Errno.EAGAIN ? undefined : count;
      });
    const count = await received();
    expect(Buffer.from(room.bytes.slice(0, count)).toString()).toBe("an-answer");
    closeFd(fd);
    await it.said("end");
  });

  describe("has a mount", () => {
    let it: Asker;

    beforeEach(async () => {
      it = asker("mount", "/data");
      expect(await it.said("opened ")).toMatch(/^\d+ 64 kind=2 /);
    });

    /** The handle of a file that is opened with these flags, in a folder or in the root (0). */
    async function open(path: string, flags: number, at = 0): Promise<string> {
      const [, handle] = /^handle (\d+) /.exec(await it.ask(`open ${at} ${flags} 384 ${path}`)) ?? [];
      return handle!;
    }

    test("whose files are made, written, read, copied, cut and given back", async () => {
      const file = await open("file", 1 | 2 | 4);
      expect(await it.ask(`write ${file} 0 0 hello`)).toBe("written 5");
      expect(await it.ask(`write ${file} 1 0 -and-more`)).toBe("written 9");
      expect(await it.ask(`flush ${file}`)).toBe("done");
      expect(await it.ask(`fsync ${file}`)).toBe("done");
      expect(readFileSync(join(data, "file"), "utf8")).toBe("hello-and-more");
      writeFileSync(join(data, "file"), "the-host's own");
      expect(await it.ask(`read ${file} 4 100`)).toBe("data host's\\x20own");
      const copy = await open("copy", 1 | 2 | 4);
      expect(await it.ask(`copy ${file} ${copy} 2 100`)).toBe("written 14");
      expect(readFileSync(join(data, "copy"), "latin1")).toBe("\0\0the-host's own");
      expect(await it.ask("resize copy 6")).toMatch(/^attributes kind=1 mode=600 links=1 size=6$/);
      expect(await it.ask(`allocate ${copy} 0 0 8192`)).toBe("done");
      expect(statSync(join(data, "copy")).size).toBe(8192);
      expect(await it.ask(`seek ${copy} 3 0`)).toBe("position 0");
      for (const handle of [file, copy]) expect(await it.ask(`release ${handle}`)).toBe("done");
      expect(await it.ask(`read ${file} 0 1`)).toBe(`error ${Errno.EBADF} `);
      expect(await it.ask("open 0 1 0 none")).toBe(`error ${Errno.ENOENT} `);
      await it.end();
    });

    test("whose folders are listed in pieces, with names that are not UTF-8", async () => {
      mkdirSync(join(data, "many"));
      const expected = Array.from({ length: 10 }, (_, i) => `file-${i}`);
      for (const name of expected) writeFileSync(join(data, "many", name), name);
      const odd = Buffer.from([0x6f, 0xff, 0x64]);
      writeFileSync(Buffer.concat([Buffer.from(`${data}/many/`), odd]), "odd");
      const many = await open("many", 1 | 128);
      for (const list of ["list", "list+"]) {
        const names: string[] = [];
        for (let cookie = "0 0"; ; ) {
          const [, low, high, ...found] = (await it.ask(`${list} ${many} 3 ${cookie}`)).split(" ");
          if (found.length === 0) break;
          expect(found.length).toBeLessThanOrEqual(3);
          names.push(...found);
          cookie = `${low} ${high}`;
        }
        const told = (name: string, bytes: number): string => (list === "list" ? name : `${name}:1:${bytes}`);
        const all = [...expected.map((name) => told(name, 6)), told("o\\xffd", 3)];
        expect(names.sort()).toEqual(all.sort());
      }
      const [, handle] = (await it.ask(Buffer.concat([Buffer.from(`open ${many} 1 0 `), odd]))).split(" ");
      expect(await it.ask(`read ${handle} 0 9`)).toBe("data odd");
      await it.end();
    });

    test("in which names are made, linked, moved and removed, and none leads out", async () => {
      expect(await it.ask("mkdir 0 448 folder")).toMatch(/^attributes kind=2 mode=700 /);
      expect(await it.ask("mknod 0 384 folder/file")).toMatch(/^attributes kind=1 mode=600 links=1 size=0$/);
      expect(await it.ask("link 0 0 folder/file folder/second")).toMatch(
        /^attributes kind=1 mode=600 links=2 /,
      );
      expect(await it.ask("symlink 0 file folder/link")).toMatch(/^attributes kind=3 /);
      expect(await it.ask("readlink 0 folder/link")).toBe("data file");
      expect(await it.ask("rename 0 0 1 folder/file folder/second")).toBe(`error ${Errno.EEXIST} `);
      const folder = await open("folder", 1 | 128);
      expect(await it.ask(`rename ${folder} 0 0 file moved`)).toBe("done");
      expect(statSync(join(data, "moved")).nlink).toBe(2);
      expect(await it.ask("stat 0 moved")).toMatch(/^attributes kind=1 mode=600 links=2 size=0$/);
      expect(await it.ask("rmdir 0 folder")).toBe(`error ${Errno.ENOTEMPTY} `);
      for (const name of ["second", "link"]) expect(await it.ask(`unlink ${folder} ${name}`)).toBe("done");
      expect(await it.ask("rmdir 0 folder")).toBe("done");
      symlinkSync("/etc", join(data, "out"));
      expect(await it.ask("open 0 1 0 out/passwd")).toBe(`error ${Errno.EXDEV} beneath`);
      await it.end();
    });

    test("with extended attributes that the host sees", async () => {
      writeFileSync(join(data, "tagged"), "");
      expect(await it.ask("set-xattr tagged user.colour red")).toBe("done");
      expect(await it.ask("list-xattr tagged")).toBe("xattrs user.colour");
      expect(await it.ask("get-xattr tagged user.colour")).toBe("data red");
      const fd = openat2(-100, join(data, "tagged"), OpenFlags.READ_ONLY, 0, 0);
      expect(Buffer.from(getXattr(fd, "user.colour") as Uint8Array).toString()).toBe("red");
      closeFd(fd);
      expect(await it.ask("remove-xattr tagged user.colour")).toBe("done");
      expect(await it.ask("get-xattr tagged user.colour")).toBe(`error ${Errno.ENODATA} `);
      expect(await it.ask("get-xattr tagged trusted.x")).toBe(`error ${Errno.EOPNOTSUPP} `);
      await it.end();
    });

    test("whose locks keep another guest away, are waited for, and taken back", async () => {
      writeFileSync(join(data, "locked"), "");
      const file = await open("locked", 1 | 2);
      expect(await it.ask(`lock ${file} 2 0 0 0`)).toBe("done");
      const other = asker("mount", "/data");
      await other.said("opened ");
      const [, handle] = (await other.ask("open 0 3 0 locked")).split(" ");
      expect(await other.ask(`lock ${handle} 1 0 0 1`)).toBe(`error ${Errno.EAGAIN} `);
      expect(await other.ask(`test-lock ${handle} 1 0 1`)).toBe("lock 2 0 0");
      const taken = await other.post(`lock ${handle} 2 1 0 0`);
      const cancel = await other.post(`cancel ${taken}`);
      expect(await other.reply(taken)).toBe(`error ${Errno.ECANCELED} `);
      expect(await other.reply(cancel)).toBe("done");
      const waiting = await other.post(`lock ${handle} 2 1 0 0`);
      expect(await it.ask(`release ${file}`)).toBe("done");
      expect(await other.reply(waiting)).toBe("done");
      await other.end();
      await it.end();
    });

    test("whose watches tell what the host does", async () => {
      const [CREATED, REMOVED_OR_MOVED, CLOSED] = [1, 2 | 16, 64];
      mkdirSync(join(data, "watched/deep"), { recursive: true });
      const [, watch] = (await it.ask("watch 0 1 watched")).split(" ");
      /** Waits for an event of this path with one of these bits. */
      const event = async (bits: number, path: string): Promise<void> => {
        for (;;) {
          const [events, of] = (await it.said(`event ${watch} `)).split(" ") as [string, string];
          if (of === path && (Number(events) & bits) !== 0) return;
        }
      };
      writeFileSync(join(data, "watched/deep/file"), "x");
      await event(CREATED, "deep/file");
      await event(CLOSED, "deep/file");
      renameSync(join(data, "watched/deep/file"), join(data, "elsewhere"));
      await event(REMOVED_OR_MOVED, "deep/file");
      expect(await it.ask(`unwatch ${watch}`)).toBe("done");
      expect(await it.ask(`unwatch ${watch}`)).toBe(`error ${Errno.EBADF} `);
      writeFileSync(join(data, "watched/unseen"), "x");
      expect(await it.ask("stat 0 watched/unseen")).toMatch(/^attributes /);
      await it.end();
    });
  });
});
