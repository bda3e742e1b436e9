// Networks of a test's own: namespaces with nothing but lo, which an ordinary user may make, and the programs in them.

import { type Ran, type Running, start } from "../native/rwcat-process.ts";
import { run } from "../native/toolchain.ts";
import { Program } from "../support/processes.ts";

/** Why there are none, or undefined. */
export const noNetworks: string | undefined =
  run("unshare", ["-Urn", "nsenter", "--version"]).status === 0 && run("ip", ["-V"]).status === 0
    ? undefined
    : "no user namespaces here, or no nsenter or ip";

export class Network implements Disposable {
  readonly #holder: Program;
  /** What runs a program in it, as its root. */
  readonly under: readonly string[];

  private constructor(holder: Program, more: readonly string[]) {
    this.#holder = holder;
    this.under = ["nsenter", "-t", String(holder.pid), "-n", ...more];
  }

  /**
   * A new one after `script`; beside `other`, whose root is its root too, or of a user namespace of its own. `more`:
   * options of unshare, for what else it does not share.
   */
  static async make(script: string, other?: Network, more: readonly string[] = []): Promise<Network> {
    const shell = ["sh", "-ec", `${script}\necho ready\nexec cat`];
    const [command, ...words] =
      other === undefined
        ? ["unshare", "-Urn", ...more, ...shell]
        : [...other.under, "unshare", "-n", ...more, ...shell];
    const holder = new Program(command!, words);
    await holder.line("ready");
    return new Network(holder, [...(more.includes("--mount") ? ["-m"] : []), "-U", "--preserve-credentials"]);
  }

  /** One of the machine's root, who may become any user; only root makes it. With mounts of its own. */
  static async ofRoot(script: string): Promise<Network> {
    const holder = new Program("unshare", ["-n", "-m", "sh", "-ec", `${script}\necho ready\nexec cat`]);
    await holder.line("ready");
    return new Network(holder, ["-m"]);
  }

  /** Of a process in it, as ip names a network. */
  get pid(): string {
    return String(this.#holder.pid);
  }

  start(program: string, args: readonly string[], input: string | undefined = ""): Running {
    const [command, ...words] = [...this.under, program, ...args];
    return start(command!, words, input);
  }

  /** To its end, which must be a good one; what it printed. */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr }: Ran = await this.start(program, args).done;
    if (code !== 0) throw new Error(`${program} ${args.join(" ")}: ${code}\n${stderr}`);
    return stdout.toString();
  }

  [Symbol.dispose](): void {
    this.#holder[Symbol.dispose]();
  }
}
