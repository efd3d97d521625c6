import type { Metric, Registry } from "prom-client";
import { lazy } from "../lazy.ts";
import type { MetricSources } from "./sources.ts";
import type { MetricRow, Readings } from "./table.ts";

export interface Metrics {
  /** The value of `Content-Type` for `text`. */
  readonly contentType: string;
  /** Everything the sources say now, in the text exposition format 0.0.4. */
  text(): Promise<string>;
}

/** The metrics of one server. They share nothing with another server in the same process. */
export function newMetrics(sources: MetricSources): Metrics {
  let readings: Readings = {};
  // With the first scrape: the library brings a hundred modules, which a server that nobody scrapes need not hold.
  const load = lazy(async (): Promise<Registry> => {
    const [{ Registry }, { METRICS }] = await Promise.all([import("prom-client"), import("./table.ts")]);
    const made = new Registry();
    for (const row of METRICS) made.registerMetric(pulled(row, () => readings) as unknown as Metric);
    return made;
  });
  return {
    contentType: "text/plain; version=0.0.4; charset=utf-8",
    async text() {
      const loaded = await load();
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
