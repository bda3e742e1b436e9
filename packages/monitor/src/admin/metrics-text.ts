// The metrics as text, of what was read out once: for Prometheus, or as OpenMetrics. prom-client writes it; it keeps
// nothing, since all counts are kept elsewhere.

import type { Metric as PromMetric } from "prom-client";
import type { GuestLabels } from "../observe/labels.ts";
import type { CounterValues } from "../reactor/counters.ts";
import type { MetricKey, MetricRow } from "../thread/census-rows.ts";
import { METRICS, type Metric } from "./metric-list.ts";

export type MetricsFormat = "prometheus" | "openmetrics";

/** All numbers, as of one moment or nearly so. */
export interface Readings {
  readonly rows: readonly MetricRow[];
  readonly counters: CounterValues;
  readonly labels: GuestLabels;
}

interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/** Guests whose labels are told. */
const INFOS_MAX = 256;

export async function metricsText(
  readings: Readings,
  format: MetricsFormat,
): Promise<{ text: string; type: string }> {
  // Some 20 ms, and nobody needs it who does not scrape.
  const { Registry } = await import("prom-client");
  const { OPENMETRICS_CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE } = Registry;
  const registry = new Registry();
  if (format === "openmetrics") {
    (registry as { setContentType(type: string): void }).setContentType(OPENMETRICS_CONTENT_TYPE);
  }
  const byKey = rowsByKey(readings.rows);
  for (const metric of METRICS) {
    const { from } = metric;
    const rows = "rows" in from ? (byKey.get(from.rows) ?? []) : [];
    // prom-client sets the name of a counter, as its format has it.
    const { name, type, help } = metric;
    const samples = samplesOf(metric, rows, readings);
    const given = { name, type, get: async () => ({ name: given.name, type, help, values: samples }) };
    registry.registerMetric(given as unknown as PromMetric<string>);
  }
  const type = format === "openmetrics" ? OPENMETRICS_CONTENT_TYPE : PROMETHEUS_CONTENT_TYPE;
  return { text: await registry.metrics(), type };
}

function rowsByKey(rows: readonly MetricRow[]): Map<MetricKey, MetricRow[]> {
  const byKey = new Map<MetricKey, MetricRow[]>();
  for (const row of rows) {
    const known = byKey.get(row.metric);
    if (known === undefined) byKey.set(row.metric, [row]);
    else known.push(row);
  }
  return byKey;
}

function samplesOf(metric: Metric, rows: readonly MetricRow[], { counters, labels }: Readings): Sample[] {
  const { from } = metric;
  if ("rows" in from) return metric.type === "histogram" ? bucketsOf(metric, rows) : rowSamples(metric, rows);
  if ("counters" in from) {
    return Object.entries(from.counters).map(([way, name]) => ({
      labels: metric.labels.length === 0 ? {} : { [metric.labels[0]!]: way },
      value: counters[name],
    }));
  }
  switch (from.only) {
    case "info":
      return infos(labels);
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return [{ labels: {}, value: (user + system) / 1e6 }];
    }
    case "resident":
      return [{ labels: {}, value: process.memoryUsage.rss() }];
    case "start":
      return [{ labels: {}, value: Math.round(Date.now() / 1000 - process.uptime()) }];
  }
}

/** Two keys may have one name, as a guest that is called "other": they are one series. */
function rowSamples({ labels, type, from }: Metric, rows: readonly MetricRow[]): Sample[] {
  const isRatio = type === "gauge" && "rows" in from && from.rows === "ring-fullest";
  const samples = new Map<string, Sample>();
  for (const { guest, first, second, value } of rows) {
    const values = labels[0] === "guest" ? [guest, first, second] : [first, second];
    const key = values.join("\0");
    const known = samples.get(key);
    if (known === undefined) {
      const labelled = Object.fromEntries(labels.map((label, at) => [label, values[at]!]));
      samples.set(key, { labels: labelled, value });
    } else known.value = isRatio ? Math.max(known.value, value) : known.value + value;
  }
  return [...samples.values()];
}

function bucketsOf({ name, labels: [label] }: Metric, rows: readonly MetricRow[]): Sample[] {
  return rows.flatMap(({ first, second, value }): Sample[] => {
    const labels = { [label!]: first };
    if (second === "sum") return [{ metricName: `${name}_sum`, labels, value }];
    const bucket = { metricName: `${name}_bucket`, labels: { ...labels, le: second }, value };
    return second === "+Inf" ? [bucket, { metricName: `${name}_count`, labels, value }] : [bucket];
  });
}

/** With a word before each, so that none can be one of Prometheus' own, or `guest`. */
function infos(labels: GuestLabels): Sample[] {
  const samples: Sample[] = [];
  for (const [guest, own] of labels.all()) {
    if (samples.length === INFOS_MAX) break;
    const named = Object.entries(own).map(([label, text]) => [`label_${label}`, text]);
    samples.push({ labels: { guest, ...Object.fromEntries(named) }, value: 1 });
  }
  return samples;
}
