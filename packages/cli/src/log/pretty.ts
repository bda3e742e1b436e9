// One line of a monitor's log or of its audit, for people: TIME LEVEL GUEST: what has happened, and the rest as
// key=value. Names, paths and texts are a guest's choice: whatever a terminal would obey, or that would begin another
// line, is written as its number; what is no such line at all as well.

import { bytes, labelsText, plain } from "../admin/text.ts";

type Fields = Readonly<Record<string, unknown>>;

/** SGR codes, by level and by what the audit tells. */
const COLOURS: Readonly<Record<string, number>> = {
  trace: 90,
  debug: 90,
  info: 32,
  warn: 33,
  error: 31,
  fatal: 35,
  refused: 31,
  violation: 31,
  changed: 36,
};
const DIM = 2;
/** What the words of an audit line have said already. */
const TOLD: readonly string[] = ["level", "time", "guest", "labels", "msg", "err", "problems", "stack"];

/** Lines, without the end of the last. */
export function prettyLine(text: string, hasColours: boolean): string {
  const fields = parsed(text);
  if (fields === undefined) return plain(text);
  const painted = (code: number | undefined, part: string): string =>
    hasColours && code !== undefined ? `\u001b[${code}m${part}\u001b[0m` : part;
  const level = word(fields, "level");
  const audit = word(fields, "audit");
  const [said, told] = audit === "" ? [word(fields, "msg"), []] : auditWords(audit, fields);
  const head = [
    painted(DIM, plain(word(fields, "time") || "-")),
    painted(COLOURS[level], plain(level.toUpperCase()).padEnd(5)),
    ...whose(fields),
  ];
  const rest = Object.entries(fields)
    .filter(([key]) => !TOLD.includes(key) && !told.includes(key))
    .map(([key, value]) => ` ${painted(DIM, `${plain(key)}=`)}${plain(valueText(value))}`);
  return [
    `${head.join(" ")} ${painted(COLOURS[audit], plain(said))}${rest.join("")}`,
    ...below(fields).map((line) => `    ${plain(line)}`),
  ].join("\n");
}

function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    // A line of pino's, or of the audit's.
    return "msg" in value || "audit" in value ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function word(fields: Fields, key: string): string {
  const value = fields[key];
  return typeof value === "string" ? value : value === undefined ? "" : valueText(value);
}

function valueText(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

function whose(fields: Fields): string[] {
  const guest = word(fields, "guest");
  if (guest === "") return [];
  const { labels } = fields;
  const isMap = typeof labels === "object" && labels !== null;
  return [`${plain(isMap ? `${guest} (${labelsText(labels as Record<string, string>)})` : guest)}:`];
}

/** What an audit line says, and the fields that are in it. */
function auditWords(audit: string, fields: Fields): [said: string, told: readonly string[]] {
  const of = (key: string): string => word(fields, key);
  const [protocol, what, rule, address] = [of("protocol"), of("what"), of("rule"), of("address")];
  const target = [protocol, what, address === "" || address === what ? "" : `at ${address}`];
  const by = rule === "" ? "" : `(rule ${rule})`;
  const words = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join(" ");
  const flow = ["audit", "protocol", "what", "rule", "address"];
  switch (audit) {
    case "refused":
      return [words("refused", protocol, `${what}:`, of("reason"), by), [...flow, "reason"]];
    case "opened":
    case "accepted":
      return [words(audit, ...target, by), flow];
    case "closed": {
      const amount = (key: string): string => bytes(Number(fields[key]) || 0);
      const moved = `${amount("bytesToHost")} to the host, ${amount("bytesToGuest")} to the guest`;
      const after = `after ${(Number(fields.ms) || 0) / 1000} s (${of("end")})`;
      return [
        words("closed", ...target, after, moved, by),
        [...flow, "bytesToHost", "bytesToGuest", "ms", "end"],
      ];
    }
    case "violation":
      return [words("violation of", `${of("clause")}:`, of("reason")), ["audit", "clause", "reason"]];
    default:
      return [words(audit, of("action"), of("msg")), ["audit", "action"]];
  }
}

/** Lines of their own: an error's stack, what is wrong with a policy. */
function below({ err, stack, problems }: Fields): string[] {
  const text = typeof err === "object" && err !== null ? (err as { stack?: unknown }).stack : stack;
  return [
    ...(typeof text === "string" ? text.split("\n") : []),
    ...(Array.isArray(problems) ? problems.map(String) : []),
  ];
}
