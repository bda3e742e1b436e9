// What `ringway bench` is asked for.

export interface BenchOptions {
  /** Starts the command that is measured: its arguments follow. */
  readonly ringway: readonly string[];
  /** Write everything, each round included, to this file. */
  readonly json?: string;
  /** Replace the text between the markers of this Markdown file by the tables. */
  readonly markdown?: string;
  /** Small sizes: ends within 90 s. */
  readonly quick?: boolean;
  /** Names of rows, or how they begin: only these. */
  readonly only?: readonly string[];
  /** Instead: in virtual machines, against QEMU's user networking and passt (./vm). */
  readonly vm?: boolean;
  /** Instead: programs in ringway run, against pasta and slirp4netns (./unmodified). */
  readonly run?: boolean;
  /** Instead: a folder of the host's in virtual machines, against virtiofs (./files). */
  readonly files?: boolean;
}
