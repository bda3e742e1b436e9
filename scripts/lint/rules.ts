// The rules of the house: what may know what. Each is a sentence of docs/architecture.md, and test/lint/rules.test.ts
// breaks each once in the sources as they are.

import type { Files } from "./files.ts";
import { circles, type Edge, type Graph, neighbours, wayTo } from "./graph.ts";
import { OUTSIDE, roomArrows, roomOf } from "./rooms.ts";

export interface Rule {
  readonly name: string;
  /** Said with each violation. */
  readonly why: string;
  /** A line for each place that breaks it. */
  check(graph: Graph, files: Files): string[];
}

const NO_OTHER: readonly string[] = [];
const CORE = ["control", "linux"];
const LIBRARIES = ["conformance", "guest", "messages", "monitor", ...CORE];
/** Packages that are not published: the command has them in this repository alone. */
const PRIVATE = ["bench", "demo", "vm-image"];

/** Folders of packages/, and those that each may import. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  control: NO_OTHER,
  linux: NO_OTHER,
  messages: NO_OTHER,
  guest: CORE,
  monitor: CORE,
  conformance: CORE,
  cli: LIBRARIES,
  "vm-image": NO_OTHER,
  demo: LIBRARIES,
  bench: [...LIBRARIES, "vm-image"],
};

/** Folders of native/, and those that each may include. */
const NATIVE: Readonly<Record<string, readonly string[]>> = {
  lib: NO_OTHER,
  posix: ["lib"],
  tools: ["lib", "posix"],
  agent: ["lib", "posix", "tools"],
  bench: ["lib", "posix"],
};

const MONITOR = "packages/monitor/src";
/** Packages with rooms inside: docs/architecture.md has a table of each. */
const ROOMED = [MONITOR, "packages/guest/src"];
/**
 * What a relay may know of guests: a stream, the interface that a guest shows its relays, and the parts named there.
 */
const RELAY_VIEW: readonly string[] = [
  "relay",
  "stream",
  "opener",
  "flow",
  "conversation",
  "budget",
  "network-budget",
  "share",
  "reports",
  "life",
].map((name) => `${MONITOR}/guests/${name}.ts`);

export const RULES: readonly Rule[] = [
  {
    name: "no-cycle",
    why: "whoever reads one file of a circle must read all of them; types count, for readers follow them too",
    check: ({ edges }) => circles(edges).map((circle) => circle.join(" -> ")),
  },
  {
    name: "rooms-one-way",
    why: "rooms build on each other in one direction; a folder and its own subfolders are one room",
    check: (graph) => ROOMED.flatMap((src) => circlesOfRooms(graph, src)),
  },
  {
    name: "packages-one-way",
    why: "packages build on each other in one direction",
    check: ({ edges }, files) => {
      const named = packageFolders(files);
      return edges.flatMap((edge) => {
        const from = partOf(edge.from, "packages");
        const to = partOf(edge.to, "packages") ?? named.get(edge.to);
        if (from === undefined || to === undefined || from === to) return [];
        if (partOf(edge.to, "packages") !== undefined)
          return [`${line(edge)}: another package, not by its name`];
        if (PACKAGES[from]?.includes(to)) return [];
        // The command loads these when it needs them, and does without where they are not.
        if (from === "cli" && PRIVATE.includes(to) && edge.onDemand) return [];
        return [line(edge)];
      });
    },
  },
  {
    name: "native-one-way",
    why: "the library knows no system, POSIX no agent; native/ shares PROTOCOL.md and vectors with packages/, no code",
    check: ({ edges }) =>
      edges.flatMap((edge) => {
        const from = partOf(edge.from, "native");
        if (from === undefined) return [];
        const to = partOf(edge.to, "native");
        return to === from || (to !== undefined && NATIVE[from]?.includes(to)) ? [] : [line(edge)];
      }),
  },
  {
    name: "published-stand-alone",
    why: "outside of this repository there is nothing beside a package",
    check: ({ pathTexts }, files) =>
      pathTexts.flatMap(({ file, path }) => {
        const folder = partOf(file, "packages")!;
        if (path.startsWith(`packages/${folder}/`) || manifest(folder, files).private) return [];
        return [`${file}: ${path}`];
      }),
  },
  {
    name: "control-is-pure",
    why: "a kernel, a test and a browser all import it: no I/O, no clock of Node's, no dependency",
    check: (graph, files) => impurities(graph, files, "control", () => true),
  },
  {
    name: "messages-core-is-pure",
    why: "a browser and a test import it: what is Node's lies beside it; a package that others embed pulls in no other",
    check: (graph, files) => {
      const core = /^packages\/messages\/src\/(?:core\/|index\.ts$)/;
      return impurities(graph, files, "messages", (path) => core.test(path));
    },
  },
  {
    name: "relays-know-no-guest",
    why: "a relay sees a stream and what guests/relay.ts says of its guest, never who stands behind it",
    check: (graph) =>
      waysFrom(
        graph,
        `${MONITOR}/relays/`,
        (node) => inMonitor(node, "guests", "thread", "links") && !RELAY_VIEW.includes(node),
      ),
  },
  {
    name: "reactor-knows-no-guest",
    why: "the reactor steps tasks and watches descriptors; it serves any relay, link or guest",
    check: (graph) =>
      waysFrom(graph, `${MONITOR}/reactor/`, (node) =>
        inMonitor(node, "guests", "relays", "thread", "links", "policy"),
      ),
  },
  {
    name: "no-private-getter",
    why: "Node 20 makes an access to one a call into the runtime of V8, in what is hot too; a private method is inlined",
    check: (_graph, files) =>
      [...files]
        .filter(([path, text]) => /^packages\/\w+\/src\/.*\.ts$/.test(path) && /\b[gs]et #\w/.test(text))
        .map(([path]) => path),
  },
];

// ── Places ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** "monitor" of packages/monitor/src/x.ts. */
function partOf(path: string, top: "packages" | "native"): string | undefined {
  return path.startsWith(`${top}/`) ? path.split("/")[1] : undefined;
}

const inMonitor = (node: string, ...rooms: readonly string[]): boolean =>
  rooms.some((room) => node.startsWith(`${MONITOR}/${room}/`));

const line = ({ from, to }: Edge): string => `${from} -> ${to}`;

/** What files of a package import that is none of them, and what the package depends on. */
function impurities(
  { edges }: Graph,
  files: Files,
  folder: string,
  isPure: (path: string) => boolean,
): string[] {
  const imports = edges.filter(
    ({ from, to }) => partOf(from, "packages") === folder && isPure(from) && !(files.has(to) && isPure(to)),
  );
  const { dependencies = {} } = manifest(folder, files);
  return [
    ...imports.map(line),
    ...Object.keys(dependencies).map((name) => `packages/${folder}/package.json: ${name}`),
  ];
}

/** Each circle of rooms, with an import for each of its arrows. */
function circlesOfRooms(graph: Graph, src: string): string[] {
  const arrows = [...roomArrows(graph, src)].flatMap(([from, used]) =>
    used.filter((to) => from !== OUTSIDE && to !== OUTSIDE).map((to) => ({ from, to, onDemand: false })),
  );
  return circles(arrows).map((circle) => {
    const imports = circle.slice(1).map((to, index) => {
      const from = circle[index]!;
      return line(
        graph.edges.find((edge) => roomOf(edge.from, src) === from && roomOf(edge.to, src) === to)!,
      );
    });
    return `${circle.join(" -> ")} (${imports.join(", ")})`;
  });
}

/** Ways from files of a folder to what they must not reach, directly or through others. */
function waysFrom({ nodes, edges }: Graph, folder: string, forbidden: (node: string) => boolean): string[] {
  const next = neighbours(edges);
  const starts = [...nodes].filter((node) => node.startsWith(folder));
  return starts.flatMap((start) => {
    const way = wayTo(start, next, (node) => !node.startsWith(folder) && forbidden(node));
    return way === undefined ? [] : [way.join(" -> ")];
  });
}

// ── Manifests ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function manifest(folder: string, files: Files): Manifest {
  return JSON.parse(files.get(`packages/${folder}/package.json`)!) as Manifest;
}

const foldersOf = (files: Files): string[] =>
  [...files.keys()].flatMap((path) => path.match(/^packages\/([^/]+)\/package\.json$/)?.[1] ?? []);

/** Folders of packages/ by the names of the packages. */
export function packageFolders(files: Files): Map<string, string> {
  return new Map(foldersOf(files).map((folder) => [manifest(folder, files).name, folder]));
}

/** Folders of the packages that are published. */
export const published = (files: Files): string[] =>
  foldersOf(files).filter((folder) => !manifest(folder, files).private);
