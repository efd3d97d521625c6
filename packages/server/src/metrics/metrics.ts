import { type Metric, Registry } from "prom-client";
import type { MetricSources } from "./sources.ts";
import { METRICS, type MetricRow, type Readings } from "./table.ts";

export interface Metrics {
  /** The value of `Content-Type` for `text`. */
  readonly contentType: string;
  /** Everything the sources say now, in the text exposition format 0.0.4. */
  text(): Promise<string>;
}

/** The metrics of one server. They share nothing with another server in the same process. */
export function newMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  let readings: Readings = {};
  for (const row of METRICS) registry.registerMetric(pulled(row, () => readings) as unknown as Metric);
  return {
    contentType: registry.contentType,
    text() {
      // Each source is read once per scrape. The registry asks its metrics before its first await, so that two scrapes
      // at a time do not mix.
      readings = read(sources);
      return registry.metrics();
    },
  };
}

/** A metric as the registry takes it: a name, and what it gives when asked. Nothing is counted in between. */
function pulled({ name, type, help, samples }: MetricRow, readings: () => Readings) {
  return {
    name,
    get: () => ({
      name,
      type,
      help,
      aggregator: "sum",
      values: samples(readings()).map(({ suffix = "", labels = {}, value }) => ({
        metricName: name + suffix,
        labels,
        value,
      })),
    }),
  };
}

function read(sources: MetricSources): Readings {
  return Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, source()]));
}
