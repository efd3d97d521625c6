import { METRICS } from "./table.ts";

/** The page `docs/reference/metrics.md`, from the table of metrics. */
export function renderMetricsDoc(): string {
  const rows = METRICS.map(({ name, type, help, labels }) => {
    const described = Object.entries(labels).map(([label, values]) => `\`${label}\`: ${values}`);
    return `| \`${name}\` | ${type} | ${help} | ${described.join("; ") || "–"} |`;
  });
  return [
    "# Metrics",
    "",
    "<!-- Written by scripts/docs.ts from the source; run `npm run docs` after a change. -->",
    "",
    "`GET /nacos/actuator/prometheus` on the main port answers in the Prometheus text format 0.0.4. Names that begin with",
    "`nacre_` are ours; the others are those that dashboards for Nacos read, `jvm_*` with the figures of V8. A summary has",
    "`_count` and `_sum`, a histogram `_bucket`, `_sum` and `_count`. Counters of links start anew with each link.",
    "",
    "| Metric | Type | Meaning | Labels |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}
