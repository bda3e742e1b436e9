// GET /metrics: whoever scrapes, and however many at once.
//
// All is read out once at a time, and not again within FRESH_MS, and written once in each format: those who ask
// meanwhile have the same bytes, however long the reactor takes. Whoever does not read them all within READ_MS is cut
// off, as Prometheus would give up by then. So there are never more of these texts than come in that time, however
// slowly somebody reads.

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { GuestLabels } from "../observe/labels.ts";
import { type MetricsFormat, metricsText, type Readings } from "./metrics-text.ts";
import type { Administered } from "./routes.ts";

const FRESH_MS = 1000;
const READ_MS = 10_000;

const NO_QUERY = { type: "object", properties: {}, additionalProperties: false };

interface Page {
  readonly body: Buffer;
  readonly type: string;
}

/** What was read out once. */
class Scrape {
  /** When it was read out; undefined: it is being read. */
  #readMs: number | undefined;
  readonly #readings: Promise<Readings>;
  readonly #pages: Map<MetricsFormat, Promise<Page>> = new Map();

  constructor(readings: Promise<Readings>) {
    this.#readings = readings;
    const over = (): void => {
      this.#readMs = performance.now();
    };
    readings.then(over, over);
  }

  get isFresh(): boolean {
    return this.#readMs === undefined || performance.now() - this.#readMs < FRESH_MS;
  }

  page(format: MetricsFormat): Promise<Page> {
    const page = this.#pages.get(format) ?? this.#write(format);
    this.#pages.set(format, page);
    return page;
  }

  async #write(format: MetricsFormat): Promise<Page> {
    const { text, type } = await metricsText(await this.#readings, format);
    return { body: Buffer.from(text), type };
  }
}

export function serveMetrics(app: FastifyInstance, monitor: Administered, labels: GuestLabels): void {
  let last: Scrape | undefined;
  const read = async (): Promise<Readings> => {
    const rows = await monitor.steering.metrics();
    return { rows, counters: monitor.counters(), labels };
  };
  app.get("/metrics", { schema: { querystring: NO_QUERY } }, async (request, reply) => {
    const scrape = last?.isFresh ? last : new Scrape(read());
    last = scrape;
    try {
      const { body, type } = await scrape.page(formatFor(request));
      cutOffLater(reply);
      return reply.header("content-type", type).send(body);
    } catch (error) {
      // The next is another.
      if (last === scrape) last = undefined;
      throw error;
    }
  });
}

/** As the client likes it; Prometheus says that it takes both, OpenMetrics first. */
function formatFor({ headers: { accept = "" } }: FastifyRequest): MetricsFormat {
  return accept.includes("application/openmetrics-text") ? "openmetrics" : "prometheus";
}

function cutOffLater({ raw }: FastifyReply): void {
  const timer = setTimeout(() => raw.destroy(), READ_MS).unref();
  raw.once("close", () => clearTimeout(timer));
}
