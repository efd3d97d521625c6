import { parseChecker } from "@nacre/core/health";
import type { ClusterMetadata } from "@nacre/core/naming";
import type { ServiceName } from "@nacre/protocol";
import type { Params } from "../../transport/http/params.ts";
import type { Naming } from "../naming.ts";
import { listedService } from "./service.ts";

/** How a cluster is checked, from `checkPort`, `useInstancePort4Check`, `healthChecker` and `metadata`. */
export function clusterMetadataIn(params: Params): ClusterMetadata {
  params.required("useInstancePort4Check");
  return {
    healthyCheckPort: params.requiredInteger("checkPort"),
    useInstancePort: params.boolean("useInstancePort4Check", true),
    healthChecker: { ...parseChecker(params.required("healthChecker")) },
    metadata: params.metadata() ?? {},
  };
}

/** @throws RegistryError `serviceNotFound`. */
export async function updateCluster(
  naming: Naming,
  service: ServiceName,
  cluster: string,
  metadata: ClusterMetadata,
): Promise<void> {
  listedService(naming, service);
  await naming.propose({ type: "updateCluster", service, cluster, metadata });
}
