// ringway completion, in the shells that it is for: what Tab gives behind words that are typed.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FIND_RINGWAY, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";

type Case = readonly [words: readonly string[], expected: readonly string[]];

const CASES: readonly Case[] = [
  [["mon"], ["monitor"]],
  [["policy", "che"], ["check"]],
  [["policy", "check", "--h"], ["--help"]],
  [["policy", "explain", "f", "c"], ["connect"]],
  [["monitor", "--max"], ["--max-guests"]],
  [["monitor", "--policy", "p.yaml", "--log-level", "d"], ["debug"]],
  [["completion", "z"], ["zsh"]],
  [["run", "--", "--he"], []],
];

const has = (shell: string): boolean => spawnSync(shell, ["--version"]).status === 0;

describe("ringway completion bash", () => {
  it.each(CASES)("Tab behind ringway %j gives %j", async (words, expected) => {
    const line = ["ringway", ...words].map((word) => `'${word}'`).join(" ");
    const script = `${FIND_RINGWAY}; set -eu; eval "$(ringway completion bash)"
COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _ringway; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { code, stdout, stderr } = await start(["bash", "-c", script]).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.split("\n").filter((word) => word !== "")).toEqual(expected);
  });
});

describe.skipIf(!has("fish"))("ringway completion fish", () => {
  it("gives the same, with what each word means", async () => {
    const asked = CASES.map(([words]) => `echo "> "; complete -C 'ringway ${words.join(" ")}'`);
    const script = `ringway completion fish | source\n${asked.join("\n")}`;
    const shell = `${FIND_RINGWAY}; exec fish --no-config --private -c "$1"`;
    const { code, stdout, stderr } = await start(["bash", "-c", shell, "bash", script], {
      // No file has a part in it.
      cwd: temporaryFolder("fish"),
    }).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const given = stdout.split("> \n").slice(1);
    const words = given.map((text) => text.split("\n").flatMap((line) => line.split("\t")[0] || []));
    expect(words).toEqual(CASES.map(([, expected]) => expected));
    expect(given[0]).toContain("monitor\tserve guests: the host's side\n");
  });
});

describe.skipIf(!has("zsh"))("ringway completion zsh", () => {
  // A shell on a terminal of zsh's own, where Tab is a key. Behind each line a key writes down what it has become.
  it("gives the same", async () => {
    const folder = temporaryFolder("zsh");
    const script = join(folder, "script");
    writeFileSync(
      join(folder, ".zshrc"),
      `autoload -Uz compinit; compinit -u -D; eval "$(ringway completion zsh)"; PS1=
written() { print -r -- "$BUFFER" >> lines; BUFFER= }
zle -N written; bindkey '^T' written; bindkey '^I' complete-word; unsetopt beep; setopt no_list_ambiguous
`,
    );
    const typed = CASES.map(([words]) => `zpty -nw z $'ringway ${words.join(" ")}\\t\\x14'`).join("\n");
    writeFileSync(
      script,
      `zmodload zsh/zpty; export ZDOTDIR=$PWD; zpty z zsh -i
${typed}
zpty -w z exit
while zpty -r z line; do :; done`,
    );
    const shell = `${FIND_RINGWAY}; exec zsh -f script`;
    const { code, stderr } = await start(["bash", "-c", shell], { cwd: folder }).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = readFileSync(join(folder, "lines"), "utf8").trimEnd().split("\n");
    const expected = CASES.map(([words, [word]]) =>
      ["ringway", ...words.slice(0, -1), word ?? words.at(-1)].join(" "),
    );
    expect(lines.map((line) => line.trimEnd())).toEqual(expected);
  });
});
