export { type Metrics, newMetrics } from "./metrics.ts";
export type * from "./sources.ts";
export { GRPC_LABELS, grpcLabels, type Timing, type Timings } from "./timings.ts";
