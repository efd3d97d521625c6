import type { Metric, Registry } from "prom-client";
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
  let readings: Readings = {};
  let registry: Promise<Registry> | undefined;
  // With the first scrape: the library brings a hundred modules, which a server that nobody scrapes need not hold.
  async function load(): Promise<Registry> {
    const { Registry } = await import("prom-client");
    const made = new Registry();
    for (const row of METRICS) made.registerMetric(pulled(row, () => readings) as unknown as Metric);
    return made;
  }
  return {
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    async text() {
      registry ??= load();
      const loaded = await registry;
      // Each source is read once per scrape. The registry asks its metrics before its first await, so that two scrapes
      // at a time do not mix.
      readings = read(sources);
      return loaded.metrics();
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
