// ringway capture: what guests and their peers say to each other, from a running monitor to a file or to standard
// output, until a signal: as packets, as JSON, or in a line for each piece.

import type { ConversationProtocol, FollowedEvent } from "@ringway/monitor";
import { withAdmin } from "../admin/client.ts";
import { jsonLine, textLine } from "../capture/lines.ts";
import { Output, STDOUT } from "../capture/output.ts";
import { PacketWriter } from "../capture/packet-writer.ts";
import { captureHead } from "../capture/pcapng.ts";
import { Exit, type Failure, UsageError } from "../errors.ts";
import { plural } from "../numbers.ts";
import { version } from "../place.ts";
import { standard } from "../standard.ts";

export interface CaptureOptions {
  readonly admin?: string;
  readonly guest?: string;
  readonly protocol?: ConversationProtocol;
  readonly write?: string;
  readonly json?: boolean;
  readonly snaplen?: number;
  readonly rotateSize?: number;
  readonly rotateTime?: number;
  readonly pace?: boolean;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const NOTHING = new Uint8Array(0);

export async function capture(match: string | undefined, options: CaptureOptions): Promise<number> {
  const { write, json = false, rotateSize, rotateTime } = options;
  const rotates = rotateSize !== undefined || rotateTime !== undefined;
  if (rotates && (write === undefined || write === STDOUT)) {
    throw new UsageError("--rotate-size and --rotate-time go with --write FILE");
  }
  using ending = new Ending();
  let failure: Failure | undefined;
  const packets = write !== undefined && !json;
  using output = new Output({
    path: write ?? STDOUT,
    rotateBytes: rotateSize,
    rotateMs: rotateTime,
    head: () => (packets ? captureHead(`ringway ${version()}`, snapOf(options, 0)) : NOTHING),
    onFailure: (failed) => {
      failure = failed;
      ending.now();
    },
  });
  const writer = packets ? new PacketWriter(snapOf(options, Number.POSITIVE_INFINITY)) : undefined;
  const put = (event: FollowedEvent): void => {
    for (const bytes of writer?.blocks(event) ?? lineOf(event, options)) output.write(bytes);
    if (output.rotate()) writer?.forget();
  };
  await follow(match, options, ending.signal, put);
  output.flush();
  if (failure !== undefined) throw failure;
  if (writer !== undefined) say(writer);
  return Exit.OK;
}

/** By a signal, or since nothing can be written. */
class Ending implements Disposable {
  readonly #controller: AbortController = new AbortController();
  readonly now: () => void = () => this.#controller.abort();

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.now);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.now);
  }
}

/** `all`: what stands for all of a packet, or of a piece. */
function snapOf({ snaplen = 0 }: CaptureOptions, all: number): number {
  return snaplen === 0 ? all : snaplen;
}

function lineOf(event: FollowedEvent, options: CaptureOptions): Uint8Array[] {
  const line = options.json ? jsonLine(event, snapOf(options, Number.POSITIVE_INFINITY)) : textLine(event);
  return line === undefined ? [] : [Buffer.from(line)];
}

async function follow(
  match: string | undefined,
  { admin, guest, protocol, pace = false, write }: CaptureOptions,
  signal: AbortSignal,
  put: (event: FollowedEvent) => void,
): Promise<void> {
  await withAdmin(admin, async (client) => {
    const events = client.conversations({
      ...(guest === undefined ? {} : { guest }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(match === undefined ? {} : { match }),
      whenSlow: pace ? "backpressure" : "drop",
      signal,
    });
    try {
      for await (const event of events) {
        if (event.kind === "ready" && write !== undefined) standard("stderr").write("ringway: capturing\n");
        put(event);
        if (signal.aborted) break;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  });
}

function say({ packets, conversations, lostBytes, missed }: PacketWriter): void {
  const lost = lostBytes === 0 ? "" : `; ${lostBytes} bytes are missing: this reader was too slow`;
  const more = missed === 0 ? "" : `; ${plural(missed, "conversation")} more: too many at once`;
  const what = `${plural(packets, "packet")} of ${plural(conversations, "conversation")}`;
  standard("stderr").write(`ringway: ${what}${lost}${more}\n`);
}
