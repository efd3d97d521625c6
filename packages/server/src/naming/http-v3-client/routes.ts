import { clusterOf } from "@nacre/protocol";
import { resultFailure, resultText } from "../../transport/http/answers.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { publishRoutes } from "../http-v3-admin/instance.ts";
import type { Naming } from "../naming.ts";
import { addressIn, BEAT_CODE, callerOf, heartbeat, serviceOf } from "../operations.ts";

const INSTANCE_NOT_FOUND = 21003;

/** `/v3/client/ns`: what SDKs of version 3 and other clients without gRPC call. */
export function namingV3ClientRoutes(naming: Naming): readonly Route[] {
  const path = "/v3/client/ns/instance";
  const [post, ...rest] = publishRoutes(naming, path);
  return [
    v3("POST", path, async (params, call) => {
      if (!params.boolean("heartBeat", false)) return post.handle(params, call);
      const service = serviceOf(params);
      addressIn(params);
      const { code } = await heartbeat(naming, service, params, callerOf(call));
      // A client that is told so registers again; any status but 200 would make it look for another server instead.
      if (code === BEAT_CODE.unknown) return resultFailure(200, INSTANCE_NOT_FOUND, "instance not found", null);
      return resultText('"ok"');
    }),
    ...rest,
    v3("GET", `${path}/list`, (params, call) => {
      const service = serviceOf(params);
      // Callers of this list name a cluster or mean the default one.
      const clusters = clusterOf(params.optional("clusterName"));
      const query = { clusters, healthyOnly: params.boolean("healthyOnly", false), consumerIp: call.sourceIp };
      return resultText(naming.view(service, query).hosts);
    }),
  ];
}
