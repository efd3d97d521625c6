import { clusterOf, type ServiceName } from "@nacre/protocol";
import type { ServiceEdit } from "./commands.ts";
import { noteExistence } from "./fuzzy.ts";
import type { ClusterMetadata, Service, ServiceMetadata } from "./model.ts";
import { holdsPersistent, trackAll } from "./persistent.ts";
import { touch } from "./push.ts";
import { ROW, rowKey, store } from "./rows.ts";
import { ensureService, findService, forgetService, noteEmpty, type Turn } from "./state.ts";

/** What operators say about services and their clusters. */

const NO_EDIT: ServiceEdit = { protectThreshold: 0, selector: { type: "none" }, metadata: {} };

/** Sets what an operator can edit of a service, which makes the service when it is not there. */
export function editService(turn: Turn, name: ServiceName, edit: ServiceEdit, ephemeral = true): void {
  const service = ensureService(turn, name, ephemeral);
  setMetadata(turn, service, {
    ephemeral: durablyEphemeral(service, ephemeral),
    ...edit,
    clusters: service.metadata?.clusters ?? {},
  });
}

export function updateCluster(turn: Turn, name: ServiceName, cluster: string, metadata: ClusterMetadata): void {
  const service = ensureService(turn, name, true);
  const held = service.metadata ?? { ephemeral: durablyEphemeral(service, true), ...NO_EDIT, clusters: {} };
  const clusters = Object.fromEntries([...Object.entries(held.clusters), [clusterOf(cluster), metadata]]);
  setMetadata(turn, service, { ...held, clusters });
}

/** The flag that goes into the row: who publishes without the log must not decide it, because that differs by member. */
function durablyEphemeral(service: Service, otherwise: boolean): boolean {
  return service.metadata?.ephemeral ?? (otherwise && !holdsPersistent(service));
}

function setMetadata(turn: Turn, service: Service, metadata: ServiceMetadata): void {
  store(turn, ROW.service, service.key, metadata);
  putMetadata(turn, service, metadata);
  touch(turn, service);
}

/** Metadata as it comes out of the log or out of its row. */
export function putMetadata(turn: Turn, service: Service, metadata: ServiceMetadata): void {
  assumeMetadata(turn, service, metadata);
  trackAll(turn, service);
}

/** As `putMetadata`, where whoever calls it tells health checking of the instances. */
export function assumeMetadata(turn: Turn, service: Service, metadata: ServiceMetadata | undefined): void {
  service.metadata = metadata;
  if (metadata !== undefined) service.ephemeral = metadata.ephemeral;
  noteExistence(turn, service);
}

/** Takes away everything that operators said about a service and its instances. */
export function deleteService(turn: Turn, name: ServiceName): void {
  const service = findService(turn.state, name);
  if (service === undefined) return;
  assumeMetadata(turn, service, undefined);
  store(turn, ROW.service, service.key, undefined);
  // Sorted, because a member that was started since has them in another order (N13).
  for (const key of [...(service.overrides?.keys() ?? [])].sort())
    store(turn, ROW.override, rowKey(service.key, key), undefined);
  service.overrides = undefined;
  service.vanished = undefined;
  noteEmpty(turn, service);
  touch(turn, service);
  if (service.publications.size === 0 && (service.subscribers?.size ?? 0) === 0) forgetService(turn.state, service);
}
