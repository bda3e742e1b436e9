// Words for Tab in bash, made of the commands as they are declared: what --help has, and nothing else.

import type { Command } from "commander";

interface Node {
  /** "ringway policy check". */
  readonly path: string;
  readonly words: readonly string[];
  /** Of options that take one of a few words: "--log-level". */
  readonly choices: readonly (readonly [option: string, words: readonly string[]])[];
}

export function bashCompletion(program: Command): string {
  const nodes = nodesOf(program, program.name());
  const paths = nodes.slice(1).map(({ path }) => `"${path}"`);
  const words = nodes.map(({ path, words }) => `    "${path}") words="${words.join(" ")}" ;;`);
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

function nodesOf(command: Command, path: string): Node[] {
  const { commands, options, registeredArguments } = command;
  const node: Node = {
    path,
    words: [
      ...commands.map((each) => each.name()),
      ...registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
      ...options.flatMap(({ long }) => long ?? []),
      "--help",
    ],
    choices: options.flatMap(({ long, argChoices }) =>
      long != null && argChoices !== undefined ? [[long, argChoices] as const] : [],
    ),
  };
  return [node, ...commands.flatMap((each) => nodesOf(each, `${path} ${each.name()}`))];
}
