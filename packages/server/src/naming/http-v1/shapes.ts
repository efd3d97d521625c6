import { type ClusterMetadata, DEFAULT_CLUSTER_METADATA, type Service } from "@nacre/core/naming";
import type { Params } from "../../transport/http/params.ts";

/** The page that v1 lists must be asked for. A page before the first is the first. */
export function pageIn(params: Params): { pageNo: number; pageSize: number } {
  return {
    pageNo: Math.max(1, params.boundInteger("pageNo")),
    pageSize: Math.max(0, params.boundInteger("pageSize")),
  };
}

export function clusterMetadataOf({ metadata }: Service, cluster: string): ClusterMetadata {
  const described = metadata?.clusters ?? {};
  return Object.hasOwn(described, cluster) ? (described[cluster] as ClusterMetadata) : DEFAULT_CLUSTER_METADATA;
}
