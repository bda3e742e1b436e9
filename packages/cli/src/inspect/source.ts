// Where a region is: a file, or the memory of a process. It is opened to be read, and read by pread() alone: a file
// that is cut meanwhile is a short read, where a mapping would be SIGBUS; and nothing can be written through it.

import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { layout, type RegionSource } from "@ringway/control";
import { Exit, Failure } from "../errors.ts";

/** A region as an open file. */
export class RegionFile implements RegionSource, Disposable {
  readonly bytes: number;
  readonly #fd: number;

  /** Throws the error of open(2); Failure where there is something else than a file. */
  constructor(path: string) {
    // Of a FIFO, open() would wait for its other end.
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stat = fstatSync(this.#fd, { bigint: true });
    this.bytes = Number(stat.size);
    if (stat.isFile()) return;
    closeSync(this.#fd);
    throw new Failure(`${path} is not a file`, { exitCode: Exit.USAGE });
  }

  read(offset: number, target: Uint8Array): number {
    let done = 0;
    while (done < target.length) {
      const count = readSync(this.#fd, target, done, target.length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** Does it begin as a region does? */
  get hasMagic(): boolean {
    const magic = new DataView(new ArrayBuffer(8));
    if (this.read(0, new Uint8Array(magic.buffer)) < 8) return false;
    return magic.getUint32(0, true) === layout.MAGIC_LOW && magic.getUint32(4, true) === layout.MAGIC_HIGH;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

const MAPPED = "mapped";

/** A region that a process has. */
export interface ProcessRegion {
  /** Opens it. */
  readonly path: string;
  /** How the process has it: "fd 31", or MAPPED. */
  readonly held: string;
  readonly bytes: number;
}

/** What a process has. */
export interface Found {
  readonly regions: readonly ProcessRegion[];
  /** The errno's name, where some of what it has mapped may not be seen: it may have closed the descriptor. */
  readonly hidden: string | undefined;
}

/**
 * The regions of a process, a guest's or a monitor's: files that begin with the magic, among those that it has open and
 * those that it shares by a mapping, whose descriptor it may have closed. Throws Failure where it may not be looked
 * into.
 */
export function regionsOfProcess(pid: number): Found {
  const folder = `/proc/${pid}`;
  const places = [
    ...lookInto(pid, () => readdirSync(`${folder}/fd`))
      .sort((a, b) => Number(a) - Number(b))
      .map((fd) => ({ path: `${folder}/fd/${fd}`, held: `fd ${fd}` })),
    ...lookInto(pid, () => sharedMappings(folder)).map((range) => ({
      path: `${folder}/map_files/${range}`,
      held: MAPPED,
    })),
  ];
  const seen = new Set<string>();
  const regions: ProcessRegion[] = [];
  let hidden: string | undefined;
  for (const place of places) {
    const bytes = regionBytes(place.path, seen);
    if (typeof bytes === "number") regions.push({ ...place, bytes });
    else if (place.held === MAPPED && (bytes === "EPERM" || bytes === "EACCES")) hidden = bytes;
  }
  return { regions, hidden };
}

/** What /proc says of a process; a Failure where there is none, or it may not be looked into. */
function lookInto<T>(pid: number, look: () => T): T {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such process" : `it may not be looked into (${code})`;
    throw new Failure(`process ${pid}: ${why}`, { exitCode: Exit.USAGE, cause: error });
  }
}

/** Address ranges of mappings that are shared and of a file, as map_files names them. */
function sharedMappings(folder: string): string[] {
  const lines = readFileSync(`${folder}/maps`, "utf8").split("\n");
  return lines.flatMap(
    (line) => /^0*([\da-f]+)-0*([\da-f]+) ...s \S+ \S+ (?!0 )/.exec(line)?.slice(1, 3).join("-") ?? [],
  );
}

/** Its size, where it is a region that was not seen yet; an errno's name for what is gone, or may not be opened. */
function regionBytes(path: string, seen: Set<string>): number | string | undefined {
  try {
    const stat = statSync(path, { bigint: true });
    const identity = `${stat.dev}:${stat.ino}`;
    if (!stat.isFile() || stat.size < layout.PAGE_BYTES || seen.has(identity)) return undefined;
    seen.add(identity);
    using file = new RegionFile(path);
    return file.hasMagic ? file.bytes : undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
