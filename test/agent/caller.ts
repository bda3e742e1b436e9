// A program in the guest that makes calls of a mounted folder, one at a time, as a test tells it.

import { readFileSync } from "node:fs";
import { Program } from "../support/processes.ts";
import { until } from "../support/wait.ts";

/**
 * Evaluates lines of Python, one after the other, and says what became of each. SIGALRM ends a call that it interrupts,
 * SIGUSR1 lets it go on where it can.
 */
const DRIVER = `import fcntl, os, signal, sys
os.chdir(sys.argv[1])
class Alarm(Exception): pass
def alarm(*_): raise Alarm
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.signal(signal.SIGALRM, alarm)
files = {}
def opened(name, flags=os.O_RDWR):
    files[name] = os.open(name, flags)
def in_child(call):
    pid = os.fork()
    if pid == 0:
        try: call()
        finally: os._exit(0)
    return pid
print("ready", flush=True)
for line in sys.stdin:
    try: said = eval(line)
    except Alarm: said = "alarm"
    except OSError as error: said = error.strerror
    print(said, flush=True)
`;

/** A program in the guest that makes the calls that it is told to. */
export class Caller implements Disposable {
  readonly #program: Program;
  /** How many answers were asked for. */
  #heard = 0;

  constructor(under: readonly string[], point: string) {
    const [command, ...words] = [...under, "python3", "-c", DRIVER, point];
    this.#program = new Program(command!, words);
  }

  async ready(): Promise<this> {
    await this.#program.line("ready");
    return this;
  }

  get pid(): number {
    return this.#program.pid;
  }

  begin(call: string): void {
    this.#program.child.stdin!.write(`${call}\n`);
  }

  /** What became of the next call. */
  async said(): Promise<string> {
    const at = ++this.#heard;
    return await until(`what became of call ${at}`, () => this.#program.lines[at]);
  }

  async call(call: string): Promise<string> {
    this.begin(call);
    return await this.said();
  }

  /** Its call is with the agent, or waits in the kernel for the agent to take it, or for what the agent reads. */
  async waits(pid: number = this.pid): Promise<void> {
    await until(`${pid} to wait for the mount`, () =>
      /fuse|request_wait|folio/.test(readFileSync(`/proc/${pid}/wchan`, "latin1")),
    );
  }

  /** A signal has come to its call, of which the kernel has told the agent, and which goes on all the same. */
  async waitsOn(): Promise<void> {
    await until(`${this.pid} to wait whatever comes`, () =>
      /\) D /.test(readFileSync(`/proc/${this.pid}/stat`, "latin1")),
    );
  }

  signal(signal: "SIGALRM" | "SIGUSR1"): void {
    process.kill(this.pid, signal);
  }

  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }
}
