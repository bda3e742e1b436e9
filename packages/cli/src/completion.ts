// Words for Tab in bash, zsh and fish, made of the commands as they are declared: what --help has, and nothing else.
// All three go along the words that are typed: which command that is says what may come, and an option in front of the
// cursor that takes one of a few words says which. What stands behind -- is another program's.

import type { Command } from "commander";

interface Word {
  readonly word: string;
  readonly description: string;
}

interface Node {
  /** "ringway policy check". */
  readonly path: string;
  readonly words: readonly Word[];
  /** Of options that take one of a few words: "--log-level". */
  readonly choices: readonly (readonly [option: string, words: readonly string[]])[];
}

/** By the name of the shell. */
export const COMPLETIONS: Readonly<Record<string, (program: Command) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

function bashCompletion(program: Command): string {
  const nodes = nodesOf(program, program.name());
  const paths = nodes.slice(1).map(({ path }) => `"${path}"`);
  const words = nodes.map(
    ({ path, words }) => `    "${path}") words="${words.map(({ word }) => word).join(" ")}" ;;`,
  );
  const choices = nodes.flatMap(({ path, choices }) =>
    choices.map(([option, words]) => `    "${path} ${option}") words="${words.join(" ")}" ;;`),
  );
  return `# bash completion of ringway: eval "$(ringway completion bash)"
_ringway() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD - 1]}" path="${program.name()}" words="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    # What stands behind is another program's.
    [[ \${COMP_WORDS[i]} == -- ]] && return
    case "$path \${COMP_WORDS[i]}" in
    ${paths.join("|")}) path="$path \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${words.join("\n")}
  esac
  case "$path $before" in
${choices.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _ringway ringway
`;
}

function zshCompletion(program: Command): string {
  const nodes = nodesOf(program, program.name());
  const paths = nodes.slice(1).map(({ path }) => `"${path}"`);
  const told = ({ word, description }: Word): string => quotedFor("zsh", `${word}:${description}`);
  const words = nodes.map(({ path, words }) => `    ("${path}") given=(${words.map(told).join(" ")}) ;;`);
  const choices = nodes.flatMap(({ path, choices }) =>
    choices.map(([option, words]) => `    ("${path} ${option}") given=(${words.join(" ")}) ;;`),
  );
  return `#compdef ringway
# zsh completion of ringway, behind compinit: eval "$(ringway completion zsh)"
_ringway() {
  local at="${program.name()}" before="\${words[CURRENT - 1]}" i
  local -a given
  for ((i = 2; i < CURRENT; i++)); do
    if [[ \${words[i]} == -- ]]; then
      _files
      return
    fi
    case "$at \${words[i]}" in
    (${paths.join("|")}) at="$at \${words[i]}" ;;
    esac
  done
  case "$at" in
${words.join("\n")}
  esac
  case "$at $before" in
${choices.join("\n")}
  esac
  _describe ringway given || _files
}
compdef _ringway ringway
`;
}

function fishCompletion(program: Command): string {
  const nodes = nodesOf(program, program.name());
  const paths = nodes.slice(1).map(({ path }) => `'${path}'`);
  const told = ({ word, description }: Word): string => `${word} ${quotedFor("fish", description)}`;
  const words = nodes.map(
    ({ path, words }) => `    case '${path}'\n      printf '%s\\t%s\\n' ${words.map(told).join(" ")}`,
  );
  const choices = nodes.flatMap(({ path, choices }) =>
    choices.map(
      ([option, words]) =>
        `    case '${path} ${option}'\n      printf '%s\\n' ${words.join(" ")}\n      return`,
    ),
  );
  return `# fish completion of ringway: ringway completion fish | source
function __ringway
  set -l words (commandline -opc)
  set -l at ${program.name()}
  for word in $words[2..]
    test "$word" = --
    and return
    switch "$at $word"
    case ${paths.join(" ")}
      set at "$at $word"
    end
  end
  switch "$at $words[-1]"
${choices.join("\n")}
  end
  switch "$at"
${words.join("\n")}
  end
end
complete -c ringway -a '(__ringway)'
`;
}

/** One word, whatever is in it. */
function quotedFor(shell: "zsh" | "fish", text: string): string {
  if (shell === "zsh") return `'${text.replaceAll("'", "'\\''")}'`;
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function nodesOf(command: Command, path: string): Node[] {
  const { commands, options, registeredArguments } = command;
  const node: Node = {
    path,
    words: [
      ...commands.map((each) => ({ word: each.name(), description: each.description() })),
      ...registeredArguments.flatMap(({ argChoices = [], description }) =>
        argChoices.map((word) => ({ word, description })),
      ),
      ...options.flatMap(({ long, description }) => (long ? [{ word: long, description }] : [])),
      { word: "--help", description: "print this help" },
    ],
    choices: options.flatMap(({ long, argChoices }) =>
      long != null && argChoices !== undefined ? [[long, argChoices] as const] : [],
    ),
  };
  return [node, ...commands.flatMap((each) => nodesOf(each, `${path} ${each.name()}`))];
}
