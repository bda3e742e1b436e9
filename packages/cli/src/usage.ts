// What each way of typing a command wrongly is answered with: one line, with what was meant where that can be told, and
// where to read on.

import type { Command } from "commander";
import { standard } from "./standard.ts";

/** A command of `parent`, with help and errors like all of them. */
export function command(parent: Command, name: string, description: string): Command {
  const made = parent.command(name).description(description).helpOption("-h, --help", "print this help");
  polish(made);
  return made;
}

/** Errors as lines of ours: the program's name in front, what was meant behind, and where to read on. */
export function polish(made: Command): void {
  made.showSuggestionAfterError(true);
  made.configureOutput({
    writeOut: (text) => standard("stdout").write(text),
    writeErr: (text) => standard("stderr").write(text),
    outputError: (text, write) => {
      const lines = suggested(text)
        .trim()
        .replace(/^error: /, "")
        .split("\n");
      write(`ringway: ${lines.join(" ")}${behindDashes(made, text)}\n${seeHelp(made)}`);
    },
  });
}

/** An option of the program that the command starts, where nobody has said that it is not the command's. */
function behindDashes(made: Command, text: string): string {
  const program = / -- (.*)$/.exec(made.usage())?.[1];
  if (program === undefined || !text.includes("unknown option")) return "";
  return `; the program and its options stand behind --: ${fullName(made)} -- ${program}`;
}

/** A choice that was meant, which commander tells of options and commands alone. */
function suggested(text: string): string {
  const match = /'([^']*)' is invalid for argument '[^']*'. Allowed choices are (.*)\.\s*$/.exec(text);
  if (match === null) return text;
  const [, typed, choices] = match;
  const meant = choices!.split(", ").find((choice) => isNear(choice, typed!));
  return meant === undefined ? text : `${text.trim()}\n(Did you mean ${meant}?)`;
}

/** One letter too many, too few or another, or two that changed places. */
function isNear(word: string, typed: string): boolean {
  const begin = [...word].findIndex((letter, i) => letter !== typed[i]);
  if (begin < 0) return typed.length === word.length + 1;
  const [rest, other] = [word.slice(begin), typed.slice(begin)];
  const swapped = other.length > 1 ? other[1]! + other[0]! + other.slice(2) : other;
  return (
    rest.slice(1) === other.slice(1) || rest.slice(1) === other || rest === other.slice(1) || rest === swapped
  );
}

export function seeHelp(command: Command): string {
  return `Try '${fullName(command)} --help'.\n`;
}

function fullName(made: Command): string {
  return made.parent === null ? made.name() : `${fullName(made.parent)} ${made.name()}`;
}
