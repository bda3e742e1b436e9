// ringway run as a command: how it begins, what it hands through, and how it ends.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_MS, missing } from "../agent/agent.ts";
import { NATIVE, run, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { type Ended, LOADED_MS, MonitorProgram, Program, type ProgramOptions } from "../support/processes.ts";
import { RINGWAY } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { buildStaticAgent, FIXTURES, HostServer, noRun, startRun } from "./inside.ts";

const noBash = missing("bash");
const isRoot = process.getuid!() === 0;

describe.skipIf(noRun !== undefined)(titled("ringway run", noRun), () => {
  let folder: string;
  let policy: string;
  let server: HostServer;
  let socket: string;
  const hold = heldForAll();

  beforeAll(async () => {
    buildStaticAgent();
    folder = realpathSync(temporaryFolder("run"));
    mkdirSync(join(folder, "work"));
    policy = join(folder, "policy.yaml");
    server = hold(await HostServer.start(() => "a server of the host\n"));
    const files = `files: [{ guest: /project, host: ${join(folder, "work")}, access: rw }]`;
    const text = `version: 1\nconnect: [{ allow: 127.0.0.1, ports: ${server.port} }]\n`;
    writeFileSync(policy, `${text}${files}\n`);
    // A monitor that is there already starts no threads: most tests use its socket.
    socket = join(folder, "attach.sock");
    hold(await MonitorProgram.start(socket, text));
  }, BUILD_MS);

  const ran = (
    options: readonly string[],
    command: readonly string[],
    more: ProgramOptions = {},
  ): Promise<Ended> => startRun(options, command, { input: "", ...more }).ended;
  const attached = (command: readonly string[], more: ProgramOptions = {}): Promise<Ended> =>
    ran(["--attach", socket], command, more);

  // ── Input, output, exit codes ──────────────────────────────────────────────────────────────────────────────────

  test("hands input, output and errors through, and the exit code", async () => {
    const input = "a line\n".repeat(100_000);
    const { code, stdout, stderr } = await attached(["sh", "-c", "cat; echo its error >&2; exit 7"], {
      input,
    });
    expect({ code, stdout: stdout === input, stderr }).toEqual({
      code: 7,
      stdout: true,
      stderr: "its error\n",
    });
  });

  test("hands over no descriptors but those three", async () => {
    // The last is that of the folder that is listed.
    const { code, stdout } = await attached(["ls", "/proc/self/fd"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "0\n1\n2\n3\n" });
  });

  test("a program that a signal ends gives 128 and its number", async () => {
    expect((await attached(["sh", "-c", "kill -KILL $$"])).code).toBe(137);
  });

  test("a program that cannot be started gives 127 or 126, and says why", async () => {
    expect(await attached(["no-such-program"])).toEqual({
      code: 127,
      stdout: "",
      stderr:
        "ringway: cannot start no-such-program: there is no such program in any folder of PATH, as it is inside\n",
    });
    expect(await attached(["/etc/hosts"])).toMatchObject({
      code: 126,
      stderr: "ringway: cannot start /etc/hosts: EACCES\n",
    });
  });

  test("without bubblewrap it says what to do, with a code of its own", async () => {
    expect(await attached(["true"], { env: { PATH: "/nonexistent" } })).toEqual({
      code: 125,
      stdout: "",
      stderr:
        "ringway: cannot shut the program in: there is no bwrap in any folder of PATH; " +
        "install the package bubblewrap of your distribution\n",
    });
  });

  test("a bad policy is reported, with the same code", async () => {
    const bad = join(folder, "bad.yaml");
    writeFileSync(bad, "version: 2\n");
    const { code, stderr } = await ran(["--policy", bad], ["true"]);
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: expect.stringMatching(/^\S*bad\.yaml:1:10: version: /),
    });
  });

  test("a folder that a link of an earlier run's could lead elsewhere is not bound, nor one that has no place", async () => {
    const planted = join(folder, "planted");
    for (const name of [planted, join(planted, "work"), join(planted, "private")]) mkdirSync(name);
    symlinkSync("../private", join(planted, "work/cache"));
    const file = join(planted, "policy.yaml");
    const rules = (access: string, guest: string, host: string): string =>
      `version: 1\nfiles:\n  - { id: other, guest: ${guest}, host: ${host}, access: rw }\n` +
      `  - { guest: /project, host: ./work, access: ${access} }\n`;
    writeFileSync(file, rules("rw", "/cache", "./work/cache"));
    expect(await ran(["--policy", file], ["true"])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(
        /files rule other: .* leads through the symbolic link .*\/work\/cache, in/,
      ),
    });
    writeFileSync(file, rules("ro", "/project/none", "./private"));
    const learn = join(planted, "learned.yaml");
    expect(await ran(["--policy", file, "--learn", learn], ["true"])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/files rule other: no place for \/project\/none in what is read-only/),
    });
    expect(existsSync(learn)).toBe(false);
  });

  test("an audit file that cannot be written keeps the program from its start", async () => {
    const audit = join(folder, "nowhere/audit.log");
    expect(await ran(["--audit", audit], ["echo", "ran"])).toMatchObject({
      code: 125,
      stdout: "",
      stderr: expect.stringContaining("cannot open the audit file"),
    });
  });

  // ── Options ────────────────────────────────────────────────────────────────────────────────────────────────────

  test("the current folder is the same inside, where the policy has it; --cwd and --env choose", async () => {
    mkdirSync(join(folder, "work/deep"));
    const print = ["sh", "-c", 'pwd; echo "$CHOSEN,$PASSED,$LEFT"'];
    const env = { PASSED: "passed", LEFT: "left" };
    const options = ["--attach", socket, "--policy", policy];
    expect(await ran(options, print, { cwd: join(folder, "work/deep"), env })).toMatchObject({
      stdout: "/project/deep\n,,\n",
    });
    const chosen = [...options, "--cwd", "/project", "--env", "CHOSEN=a b", "--env", "PASSED"];
    expect(await ran(chosen, print, { cwd: "/usr", env })).toMatchObject({
      stdout: "/project\na b,passed,\n",
    });
  });

  test("what --env says to the dynamic linker, it says to the program alone", async () => {
    const { code, stderr } = await ran(["--attach", socket, "--env", "LD_PRELOAD=/none.so"], ["true"]);
    expect(code).toBe(0);
    expect(stderr.match(/none\.so/g)).toHaveLength(1);
  });

  test.skipIf(!isRoot)(
    titled(
      "--user makes the program that user, on the host as well",
      isRoot ? undefined : "to be another user needs root",
    ),
    async () => {
      const own = join(folder, "own");
      mkdirSync(own);
      // Where that user may read it, wherever this repository is.
      const agent = join(folder, "ringway-agent");
      copyFileSync(join(NATIVE, "build/ringway-agent"), agent);
      for (const path of [folder, own, agent]) chmodSync(path, 0o755);
      const text = `version: 1\nconnect: [{ allow: 127.0.0.1, ports: ${server.port} }]\n`;
      const file = join(folder, "user.yaml");
      writeFileSync(file, `${text}files: [{ guest: /own, host: ./own, access: ro }]\n`);
      const get = `import urllib.request as r; print(r.urlopen("http://host.ringway:${server.port}/").read().decode())`;
      const temporary = join(folder, "of-root");
      mkdirSync(temporary);
      chmodSync(temporary, 0o755);
      using waiting = startRun(
        ["--agent", agent, "--policy", file, "--user", "12345"],
        ["sh", "-c", "echo up; read line"],
        { env: { TMPDIR: temporary } },
      );
      await waiting.line("up", LOADED_MS);
      const [mine] = readdirSync(temporary);
      const kept = [mine!, `${mine}/attach`, `${mine}/etc`].map((name) => statSync(join(temporary, name)));
      expect(kept.map(({ uid, mode }) => [uid, mode & 0o022])).toEqual(kept.map(() => [0, 0]));
      const script = `id -u; id -g; cat /proc/self/uid_map; python3 -c '${get}'`;
      const { code, stdout, stderr } = await ran(
        ["--agent", agent, "--policy", file, "--user", "12345:12346"],
        ["sh", "-c", script],
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toMatch(/^12345\n12346\n +12345 +\d+ +1\na server of the host\n/);
    },
  );

  test("the policy's run says what of the system is there, and nothing else is", async () => {
    const file = join(folder, "system.yaml");
    const system = ["/usr", "/bin", "/lib", "/lib64"].filter((path) => existsSync(path));
    writeFileSync(file, `version: 1\nrun: { system: [${system.join(", ")}] }\n`);
    const options = ["--attach", socket, "--policy", file];
    expect((await ran(options, ["ls", "/etc"])).stdout.split("\n").slice(0, -1)).toEqual([
      ...["group", "hostname", "hosts", "nsswitch.conf", "passwd", "resolv.conf"],
    ]);
    writeFileSync(file, "version: 1\nrun: { system: [default, /not/there] }\n");
    expect(await ran(options, ["true"])).toMatchObject({
      code: 125,
      stderr: "ringway: cannot shut the program in: run.system of the policy: there is no /not/there\n",
    });
  });

  // ── Signals and the terminal ───────────────────────────────────────────────────────────────────────────────────

  const HEEDS = `
import os, signal
heeded = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2]
signal.pthread_sigmask(signal.SIG_BLOCK, heeded)
os.write(1, b"up\\n")
number = signal.sigwait(heeded)
os.write(1, f"heeded {signal.Signals(number).name}\\n".encode())
os._exit(3)`;

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const)(
    "%s is the program's to heed",
    async (signal) => {
      using program = startRun(["--attach", socket], ["python3", "-c", HEEDS]);
      await program.line("up", LOADED_MS);
      program.kill(signal);
      await program.line(`heeded ${signal}`);
      expect((await program.exit()).code).toBe(3);
    },
  );

  test("a signal before there is a program is the end, with its number", async () => {
    const temporary = join(folder, "early");
    mkdirSync(temporary);
    const nowhere = join(folder, "no-monitor.sock");
    using program = startRun(["--attach", nowhere], ["echo", "ran"], { env: { TMPDIR: temporary } });
    await until("its folder", () => readdirSync(temporary).length > 0);
    program.kill("SIGINT");
    expect(await program.ended).toMatchObject({ code: 130, stdout: "" });
    expect(readdirSync(temporary)).toEqual([]);
  });

  test("--attach says at once what it waits for, at a socket that is left over, and goes on when somebody listens", async () => {
    const left = join(folder, "left.sock");
    const bind = `import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])`;
    expect(run("python3", ["-c", bind, left]).status).toBe(0);
    using program = startRun(["--attach", left], ["echo", "ran"]);
    const waits = `ringway: waiting for a monitor at ${left}: nobody listens there\n`;
    await until("what it waits for", () => program.errors.endsWith("\n"));
    expect(program.errors).toBe(waits);
    // One that starts takes as long as the machine likes: this one is there by another name.
    rmSync(left);
    linkSync(socket, left);
    expect(await program.ended).toEqual({ code: 0, stdout: "ran\n", stderr: waits });
  });

  test("what is wrong already is told without waiting for a monitor", async () => {
    const bad = join(folder, "bad-attached.yaml");
    writeFileSync(bad, "version: 2\n");
    const nowhere = join(folder, "never.sock");
    const startMs = performance.now();
    const { code, stderr } = await ran(["--attach", nowhere, "--policy", bad], ["true"]);
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: expect.stringMatching(
        /^ringway: waiting for a monitor at \S+: there is no such socket\n\S*bad-attached\.yaml:1:10: version: .*\n$/,
      ),
    });
    // Its 20 s are not over.
    expect(performance.now() - startMs).toBeLessThan(15_000);
  });

  test.each([
    [["--attach", "/etc/passwd"], "--attach: no monitor at /etc/passwd: it is no socket"],
    [["--agent", "/etc/passwd"], "--agent: /etc/passwd is no program"],
    [["--cwd", "here"], '--cwd: expected an absolute path, as it is inside; found "here"'],
    [["--cwd", "/not/there"], "--cwd: there is no folder /not/there inside"],
  ])("%j is wrong usage, in one line", async (wrong, why) => {
    const { code, stdout, stderr } = await ran(["--attach", socket, ...wrong], ["echo", "ran"]);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: "",
      stderr: `ringway: ${why}\nTry 'ringway run --help'.\n`,
    });
  });

  test("of a monitor that answers nothing any more, --attach says so, and of its next word", async () => {
    const own = join(folder, "silent.sock");
    using monitor = await MonitorProgram.start(own, "version: 1\n");
    const get = `import socket; input()\ntry: socket.create_connection(("203.0.113.7", 80))\nexcept OSError as e: print(e)`;
    using program = startRun(["--attach", own], ["python3", "-c", `print("up", flush=True); ${get}`]);
    await program.line("up", LOADED_MS);
    monitor.child.kill("SIGSTOP");
    program.child.stdin!.write("go\n");
    const silent = "ringway: the monitor has not answered for 8 s: what programs ask for waits\n";
    await until("a line of that", () => program.errors.includes(silent), LOADED_MS);
    monitor.child.kill("SIGCONT");
    await until("its end", () => program.isOver, LOADED_MS);
    expect(program.errors).toContain("ringway: the monitor answers again\n");
    expect(program.errors).toContain("ringway: refused, for python3: no connect rule allows 203.0.113.7:80");
  });

  test("a signal to its whole process group reaches nobody outside, where there is no terminal", async () => {
    const words = [join(NATIVE, "build/ringway-agent"), "--attach", socket, "--", "sh", "-c", "kill -KILL 0"];
    const script = '"$@"; echo "after $?"';
    const shell = ["sh", "-c", script, "sh", process.execPath, RINGWAY, "run", "--agent", ...words];
    const onNone = `import os, sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])`;
    using program = new Program("python3", ["-c", onNone, ...shell], {
      input: "",
      env: { NODE_OPTIONS: "" },
    });
    expect(await program.ended).toMatchObject({ code: 0, stdout: "after 137\n" });
  });

  /** On a terminal of its own; a shell that is told to finds `ringway run` in $RUN. */
  const onTerminal = (
    steps: readonly (readonly string[])[],
    command: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<Ended> => {
    const words = [join(FIXTURES, "terminal.py"), JSON.stringify(steps), ...command];
    return new Program("python3", words, { input: "", env: { NODE_OPTIONS: "", ...env } }).ended;
  };
  const runCommand = (): readonly string[] => [
    ...[
      process.execPath,
      RINGWAY,
      "run",
      "--agent",
      join(NATIVE, "build/ringway-agent"),
      "--attach",
      socket,
      "--",
    ],
  ];

  test("Ctrl-C on a terminal is the program's, once", async () => {
    const { code, stdout, stderr } = await onTerminal(
      [["up", "\x03"]],
      [...runCommand(), "python3", "-c", HEEDS],
    );
    expect({ code, stderr }).toEqual({ code: 3, stderr: "" });
    expect(stdout.match(/heeded SIGINT/g)).toHaveLength(1);
  });

  test.skipIf(noBash !== undefined)(titled("Ctrl-Z stops it, and fg lets it go on", noBash), async () => {
    const steps: string[][] = [
      ["[$#] $", 'eval "$RUN"\n'],
      ["up\\r\\n", "first\n"],
      ["first\\r\\nfirst\\r\\n", "\x1a"],
      ["Stopped(?s:.*)[$#] $", "fg\n", "stopped"],
      ["exec cat'\\r\\n", "second\n"],
      ["second\\r\\nsecond\\r\\n", "\x04"],
      ["[$#] $", "exit 5\n"],
    ];
    const { code, stdout, stderr } = await onTerminal(steps, ["bash", "--norc", "--noprofile", "-i"], {
      RUN: `${runCommand().join(" ")} sh -c 'echo up; exec cat'`,
    });
    expect({ code, stderr }, stdout).toEqual({ code: 5, stderr: "" });
  });

  // ── Ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

  test("what a program has written when it ends still arrives", async () => {
    const bytes = 8 * 1024 * 1024;
    const heard = new Promise<{ bytes: number; how: string }>((resolve) => {
      const sink = createServer((connection) => {
        let count = 0;
        connection.on("data", (part) => {
          count += part.length;
        });
        connection.once("end", () => resolve({ bytes: count, how: "end" }));
        connection.once("error", ({ message }) => resolve({ bytes: count, how: message }));
        // It never ends its own side.
        sink.close();
      });
      sink.listen(0, "127.0.0.1", () => listening((sink.address() as { port: number }).port));
    });
    let listening: (port: number) => void = () => {};
    const port = await new Promise<number>((resolve) => {
      listening = resolve;
    });
    const file = join(folder, "sink.yaml");
    writeFileSync(file, `version: 1\nconnect: [{ allow: 127.0.0.1, ports: ${port} }]\n`);
    const send = `import socket; socket.create_connection(("host.ringway", ${port})).sendall(bytes(${bytes}))`;
    expect(await ran(["--policy", file], ["python3", "-c", send])).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(await heard).toEqual({ bytes, how: "end" });
  });

  test("nothing is left when it is killed", async () => {
    const mark = `mark-${process.pid}-killed`;
    using program = startRun(
      ["--attach", socket],
      ["sh", "-c", `echo up; read ${mark.replaceAll("-", "_")}; :`],
      {
        env: { TMPDIR: folder }, // of which its own folder is left
      },
    );
    await program.line("up", LOADED_MS);
    expect(processesOf(mark.replaceAll("-", "_")).length).toBeGreaterThan(1);
    program.kill("SIGKILL");
    await until("all of it to end", () => processesOf(mark.replaceAll("-", "_")).length === 0);
  });

  test("no program is started for one that is dead already", () => {
    const orphan = `
import os, subprocess, sys
reader, writer = os.pipe()
os.close(reader)
sys.exit(subprocess.run([sys.argv[1], "rwinit", str(writer), "", "echo", "ran"], pass_fds=[writer]).returncode)`;
    const { status, stdout } = run("python3", ["-c", orphan, join(NATIVE, "build/ringway-agent")]);
    expect({ status, stdout }).toEqual({ status: 125, stdout: "" });
  });

  test("when the agent ends, so does the program, and the code is Ringway's", async () => {
    using program = startRun(["--attach", socket], ["sh", "-c", "echo up; read line; :"]);
    await program.line("up", LOADED_MS);
    const agent = childrenOf(program.pid)
      .flatMap(childrenOf)
      .find((pid) => commandOf(pid)[0] === "/ringway-agent");
    process.kill(agent!, "SIGKILL");
    expect((await program.exit()).code).toBe(125);
    expect(program.errors).toMatch(/^ringway: cannot shut the program in: the agent has ended/m);
  });

  test("without a policy nothing is reachable, and what was refused is printed as one; --learn writes it", async () => {
    const get =
      "import socket, sys\nfor at in [('203.0.113.7', 443), ('2001:db8::7', 80), ('name.example', 25)]:\n" +
      "  try: socket.create_connection(at)\n  except OSError as e: print(type(e).__name__)";
    const { code, stderr } = await ran([], ["python3", "-c", get]);
    const learned = `version: 1
connect:
  - { allow: 203.0.113.7, ports: 443 }
  - { allow: "2001:db8::7", ports: 80 }
  - { allow: name.example, ports: 25 }
`;
    expect({ code, text: stderr.slice(stderr.indexOf("version: 1")) }).toEqual({ code: 0, text: learned });
    const file = join(folder, "learned.yaml");
    await ran(["--quiet", "--learn", file], ["python3", "-c", get]);
    expect(readFileSync(file, "utf8")).toBe(learned);
    expect((await ran(["--policy", file], ["true"])).code).toBe(0);
    expect(await ran(["--learn", file], ["true"])).toMatchObject({
      code: 125,
      stderr: `ringway: cannot write ${file} (--learn): it is there already\n`,
    });
  });

  test("what is learned of host.ringway is enough to reach it", async () => {
    const file = join(folder, "learned-host.yaml");
    const get = `import urllib.request as r; print(r.urlopen("http://host.ringway:${server.port}/").read().decode())`;
    expect((await ran(["--learn", file], ["python3", "-c", get])).code).toBe(1);
    expect(await ran(["--policy", file], ["python3", "-c", get])).toMatchObject({
      code: 0,
      stdout: "a server of the host\n\n",
    });
  });

  test("--learn leaves no file, and says so, where nothing was refused", async () => {
    const file = join(folder, "learned-nothing.yaml");
    expect(await ran(["--learn", file], ["true"])).toEqual({
      code: 0,
      stdout: "",
      stderr: `ringway: nothing was refused that a policy could allow, so there is no ${file}\n`,
    });
    expect(existsSync(file)).toBe(false);
  });

  const ASKS = `import socket
over_tcp = socket.socket()
over_tcp.setblocking(False)
try: over_tcp.connect(("192.0.2.1", 80))
except BlockingIOError: pass
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.2", 9))`;

  test("what a program asked for that has ended before its monitor is judged, told and learned", async () => {
    const rules = [
      "  - { allow: 192.0.2.1, ports: 80 }",
      "  - { allow: 192.0.2.2, ports: 9, protocols: [udp] }",
    ];
    const learned = (text: string): string[] => text.split("\n").filter((line) => line.includes("allow:"));
    const told = await ran([], ["python3", "-c", ASKS]);
    expect(told.code).toBe(0);
    expect(told.stderr).toContain("ringway: refused: no connect rule allows 192.0.2.1:80 (rule default)\n");
    expect(learned(told.stderr).toSorted()).toEqual(rules);
    const file = join(folder, "learned-late.yaml");
    await ran(["--quiet", "--learn", file], ["python3", "-c", ASKS]);
    expect(learned(readFileSync(file, "utf8")).toSorted()).toEqual(rules);
  });

  test("a signal between the start of the program and that of its monitor is the program's", async () => {
    const program = startRun([], ["sh", "-c", "trap 'exit 7' USR2; echo up; while :; do sleep 0.05; done"]);
    await program.line("up", LOADED_MS);
    program.child.kill("SIGUSR2");
    expect((await program.exit()).code).toBe(7);
    expect(program.errors).toBe("");
  });

  test("a wrong RINGWAY_TRACE is found before the program runs", async () => {
    const { code, stdout, stderr } = await ran([], ["echo", "ran"], { env: { RINGWAY_TRACE: "stream" } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain('ringway: RINGWAY_TRACE: unknown word "stream"');
  });

  test("leaves nothing where the program ends before its monitor, and where this process fails", async () => {
    const home = join(folder, "tmp");
    mkdirSync(home);
    const end = await ran([], ["sh", "-c", "exit 7"], { env: { TMPDIR: home } });
    expect(end).toEqual({ code: 7, stdout: "", stderr: "" });
    expect(readdirSync(home)).toEqual([]);
    // Thrown as soon as anybody catches it, which is before the program starts; and when the monitor is there.
    for (const serving of [0, 1]) {
      const fault = `const t = setInterval(() => {
        if (process.listenerCount("uncaughtException") === 0 || process.listenerCount("SIGXFSZ") < ${serving})
          return;
        clearInterval(t); throw new Error("a fault");
      }, 1)`;
      const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(fault)}`;
      const failed = await ran([], ["sleep", "100"], { env: { TMPDIR: home, NODE_OPTIONS } });
      expect(failed.code).toBe(125);
      expect(failed.stderr).toContain("a fault");
      expect(readdirSync(home)).toEqual([]);
    }
  });
});

/** Processes with this text in their command line. */
function processesOf(text: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandOf(pid).some((word) => word.includes(text)));
}

function commandOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, "utf8").trim().split(" ").filter(Boolean).map(Number) : [];
}
