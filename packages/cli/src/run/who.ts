// Who the program is: the user that started it, or --user.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";

export interface Who {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

interface Started {
  readonly uid: number;
  readonly gid: number;
  readonly home: string | undefined;
}

/** `user`: a name of /etc/passwd, UID or UID:GID; undefined is who started this. Throws UsageError. */
export function whoIs(user: string | undefined, started: Started, passwd: string = readPasswd()): Who {
  const entries = parsePasswd(passwd);
  if (user === undefined) {
    const found = entries.find(({ uid }) => uid === started.uid) ?? nobody(started.uid, started.gid);
    return { ...found, gid: started.gid, home: folderOf(started.home) ?? found.home };
  }
  const [, uid, gid] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(user) ?? [];
  const found = entries.find((entry) =>
    uid === undefined ? entry.name === user : entry.uid === Number(uid),
  );
  if (uid === undefined && found === undefined) {
    throw new UsageError(`--user: there is no user ${JSON.stringify(user)}; expected a name, UID or UID:GID`);
  }
  const who = found ?? nobody(Number(uid), Number(gid ?? uid));
  return gid === undefined ? who : { ...who, gid: Number(gid) };
}

/** Without slashes too many; undefined for what is no place. */
function folderOf(home: string | undefined): string | undefined {
  return home?.startsWith("/") === true ? resolve(home) : undefined;
}

function nobody(uid: number, gid: number): Who {
  return { uid, gid, name: `user${uid}`, home: "/home/user", shell: "/bin/sh" };
}

/** Those of name:x:1000:1000:Somebody:/home/name:/bin/bash. */
function parsePasswd(text: string): Who[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid, , home, shell] = line.split(":");
    if (name === undefined || gid === undefined || !/^\d+$/.test(uid ?? "")) return [];
    return [
      { name, uid: Number(uid), gid: Number(gid), home: folderOf(home) ?? "/", shell: shell || "/bin/sh" },
    ];
  });
}

function readPasswd(): string {
  try {
    return readFileSync("/etc/passwd", "utf8");
  } catch {
    return "";
  }
}
