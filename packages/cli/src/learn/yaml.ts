// Text in a policy that is written here. Names and paths are a guest's choice: whatever they are, they stay one scalar,
// or one comment, of one line, and nothing of them reaches a terminal as what it is not.

import { GROUPS } from "@ringway/monitor";

/** What YAML takes as it stands, for text and for nothing else, wherever it is. */
const PLAIN = /^[A-Za-z/][A-Za-z0-9._/-]*$|^\d{1,3}(?:\.\d{1,3}){3}$/;
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

export function yamlText(text: string): string {
  if (PLAIN.test(text) && !WORDS.test(text)) return text;
  // JSON is YAML; all that is not printable ASCII is escaped, as both have it.
  return JSON.stringify(text).replace(/[^ -~]/gu, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** Of a rule: one that has a place for a name has none in the file. */
export function idKey(id: string): string[] {
  return id.includes("[") ? [] : [`id: ${yamlText(id)}`];
}

/** Of a connect rule: a name that is called as a group is written with a dot behind it. */
export function nameText(name: string): string {
  return GROUPS.some((group) => group === name) ? `${name}.` : yamlText(name);
}
