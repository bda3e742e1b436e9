// Manual pages, one for each command, made of the commands as they are declared: what --help has, in roff.

import type { Command } from "commander";
import { version } from "./place.ts";

/** By their file names: ringway-policy-check.1. */
export function manualPages(program: Command): ReadonlyMap<string, string> {
  return new Map(pagesOf(program, program.name()));
}

function pagesOf(command: Command, words: string): [file: string, text: string][] {
  const page: [string, string] = [`${words.replaceAll(" ", "-")}.1`, pageOf(command, words)];
  return [page, ...command.commands.flatMap((each) => pagesOf(each, `${words} ${each.name()}`))];
}

function pageOf(command: Command, words: string): string {
  const help = command.createHelp();
  const name = words.replaceAll(" ", "-");
  const lines = [
    `.TH "${name.toUpperCase()}" 1 "" "ringway ${version()}"`,
    ".SH NAME",
    `${roff(name)} \\- ${roff(command.description())}`,
    ".SH SYNOPSIS",
    `.B ${roff(words)}`,
    roff(command.usage()),
    ...listOf("COMMANDS", help.visibleCommands(command), (each) => [
      help.subcommandTerm(each),
      help.subcommandDescription(each),
    ]),
    ...listOf("ARGUMENTS", help.visibleArguments(command), (each) => [
      help.argumentTerm(each),
      help.argumentDescription(each),
    ]),
    ...listOf("OPTIONS", help.visibleOptions(command), (each) => [
      help.optionTerm(each),
      help.optionDescription(each),
    ]),
    ...notesOf(command),
  ];
  return `${lines.join("\n")}\n`;
}

function listOf<T>(title: string, items: readonly T[], of: (item: T) => readonly [string, string]): string[] {
  if (items.length === 0) return [];
  const entries = items
    .map(of)
    .flatMap(([term, description]) => [".TP", `.B ${roff(term)}`, roff(description)]);
  return [`.SH ${title}`, ...entries];
}

/** What stands below the lists of --help: examples, the environment, exit codes. */
function notesOf(command: Command): string[] {
  const printed: string[] = [];
  const output = command.configureOutput();
  command.configureOutput({ ...output, writeOut: (text) => printed.push(text) });
  command.outputHelp();
  command.configureOutput(output);
  const notes = printed.join("").slice(command.helpInformation().length).trim();
  return notes === "" ? [] : [".SH NOTES", ".nf", ...notes.split("\n").map(roff), ".fi"];
}

/** As it stands: no escape, no request, no hyphen that a search would not find. */
function roff(text: string): string {
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("\n", " ");
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
