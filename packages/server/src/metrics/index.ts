export { renderMetricsDoc } from "./doc.ts";
export { Latency } from "./latency.ts";
export { type Metrics, newMetrics } from "./metrics.ts";
export { type ProcessWatch, watchProcess } from "./process.ts";
export { prometheusTargets, type SdInstance, type SdTarget } from "./prometheus-sd.ts";
export type * from "./sources.ts";
export { GRPC_LABELS, grpcLabels, HTTP_LABELS, httpLabels, type Timing, Timings } from "./timings.ts";
