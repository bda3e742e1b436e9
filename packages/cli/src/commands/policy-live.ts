// ringway policy put, diff and history: the policies of a running monitor.

import { dirname, resolve } from "node:path";
import { type Policy, type PolicyChange, PolicyLoader } from "@ringway/monitor";
import { problemsOf, withAdmin } from "../admin/client.ts";
import { differences } from "../admin/differences.ts";
import { type Column, jsonText, plain, table } from "../admin/text.ts";
import { byText } from "../admin/who.ts";
import { Exit, Failure } from "../errors.ts";
import { loadOnce, nameOf, STDIN, textOf } from "./load.ts";

export interface LiveOptions {
  readonly admin?: string;
  readonly guest?: string;
  readonly cut?: boolean;
  readonly json?: boolean;
}

export async function putPolicy(file: string, options: LiveOptions): Promise<number> {
  const { guest, cut = false } = options;
  const text = await textOf(file);
  // As diff, and as a monitor that is started with it: relative folders are below that of the file.
  const folder = file === STDIN ? process.cwd() : dirname(resolve(file));
  return await withAdmin(options.admin, async (client) => {
    try {
      const put = await client.putPolicy(text, { cut, folder, ...(guest === undefined ? {} : { guest }) });
      const ended = cut ? `; ${put.cut} streams that it does not allow were ended` : "";
      console.log(`in force as revision ${put.revision}${ended}`);
      return Exit.OK;
    } catch (error) {
      const problems = problemsOf(error, nameOf(file));
      if (problems === undefined) throw error;
      throw new Failure(problems, { isReport: true, cause: error });
    }
  });
}

/** 0 where both say the same, 3 where not. */
export async function diffPolicy(file: string, options: LiveOptions): Promise<number> {
  await using loader = new PolicyLoader();
  const wanted = await loadOnce(file, loader);
  return await withAdmin(options.admin, async (client) => {
    const { policy, revision } = await client.policy(options.guest);
    const lines = differences(linesOf(policy), linesOf(wanted));
    if (lines.length === 0) {
      console.log(`${nameOf(file)} says what is in force (revision ${revision})`);
      return Exit.OK;
    }
    console.log(
      [`--- in force (revision ${revision})`, `+++ ${nameOf(file)}`, ...lines.map(plain)].join("\n"),
    );
    return Exit.DIFFERS;
  });
}

/** With every default, each rule in lines of its own. */
function linesOf(policy: Policy): string[] {
  return JSON.stringify(policy, null, 2).split("\n");
}

const HISTORY: readonly Column<PolicyChange>[] = [
  { title: "REVISION", right: true, of: ({ revision }) => String(revision) },
  { title: "TIME", of: ({ time }) => time },
  { title: "GUEST", of: ({ guest }) => guest ?? "-" },
  { title: "BY", of: ({ by }) => byText(by) },
  { title: "FILE", of: ({ file }) => file ?? "-" },
];

export async function policyHistory(options: LiveOptions): Promise<number> {
  return await withAdmin(options.admin, async (client) => {
    const changes = await client.policyHistory();
    console.log(options.json ? jsonText(changes, 2) : table(HISTORY, changes).join("\n"));
    return Exit.OK;
  });
}
