// What is mounted on this machine, as far as it lies in a folder that a program is to see.

import { readFileSync } from "node:fs";

/** Mount points, as /proc/self/mountinfo has them. */
export function mountPoints(mountinfo: string = readFileSync("/proc/self/mountinfo", "latin1")): string[] {
  // 24 27 0:6 / /dev rw,relatime shared:2 - devtmpfs devtmpfs rw
  return mountinfo.split("\n").flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined ? [] : [readable(point)];
  });
}

/** Blanks and the like are \040 there, byte by byte. */
function readable(text: string): string {
  const bytes = text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 8)),
  );
  return Buffer.from(bytes, "latin1").toString();
}

/** The path below `folder` that leads to `path`, "" for the folder itself; undefined where it lies elsewhere. */
export function below(folder: string, path: string): string | undefined {
  if (path === folder) return "";
  const prefix = folder === "/" ? "/" : `${folder}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}
