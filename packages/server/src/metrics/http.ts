import { instancesOf, type Service } from "@nacre/core/naming";
import type { Naming } from "../naming/naming.ts";
import { type Answer, json, text } from "../transport/http/answers.ts";
import type { Route } from "../transport/http/route.ts";
import { plain } from "../transport/http/rows.ts";
import type { Metrics } from "./metrics.ts";
import { prometheusTargets, type SdInstance } from "./prometheus-sd.ts";

export interface MetricsRoutesSetup {
  readonly naming: Naming;
  readonly metrics: Metrics;
  /** Names of actuator endpoints that answer; `*` for all. */
  readonly exposed: readonly string[];
  /** Whether Prometheus may list instances. */
  readonly discovery: boolean;
}

/** What Prometheus reads: the figures of this member, and the instances as targets of its own. */
export function metricsRoutes({ naming, metrics, exposed, discovery }: MetricsRoutesSetup): readonly Route[] {
  const scrape = plain("/actuator/prometheus", async () => ({
    ...text(await metrics.text()),
    type: metrics.contentType,
  }));
  const all = (wanted: (service: Service) => boolean): Answer => targets(naming, wanted);
  const listed = [
    plain("/prometheus", () => all(() => true)),
    plain("/prometheus/namespaceId/:namespaceId", (_params, call) => {
      const namespace = call.segment("namespaceId");
      return all(({ name }) => name.namespace === namespace);
    }),
    plain("/prometheus/namespaceId/:namespaceId/service/:service", (_params, call) => {
      const [namespace, service] = [call.segment("namespaceId"), call.segment("service")];
      return all(({ name }) => name.namespace === namespace && name.name === service);
    }),
  ];
  return [
    ...(exposed.some((name) => name === "prometheus" || name === "*") ? [scrape] : []),
    ...(discovery ? listed : []),
  ];
}

function targets(naming: Naming, wanted: (service: Service) => boolean): Answer {
  const found: SdInstance[] = [];
  for (const service of naming.state.services.values()) {
    if (!wanted(service)) continue;
    for (const instance of instancesOf(service, "")) found.push({ ...instance, service: service.name });
  }
  return { ...json(prometheusTargets(found)), type: "application/json; charset=UTF-8" };
}
