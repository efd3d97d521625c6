import type { Caller } from "@nacre/core/naming";
import {
  encodeUtf8,
  integer,
  number,
  object,
  parseJsonObject,
  RegistryError,
  type ServiceName,
  text,
  textMap,
} from "@nacre/protocol";
import type { Params } from "../../transport/http/params.ts";
import type { Naming } from "../naming.ts";
import { CLUSTER_PARAM } from "./instance.ts";

/** What a heartbeat says of its instance; what else clients put in (load, period, stopped ...) means nothing. */
const beatBody = object({ ip: text(), port: integer(0), cluster: text(), weight: number(1), metadata: textMap() });

export const BEAT_CODE = { known: 10200, unknown: 20404 } as const;

/** The answer of v1 and v2 to a heartbeat. */
export interface BeatAnswer {
  readonly clientBeatInterval: number;
  readonly code: number;
  readonly lightBeatEnabled: boolean;
}

/**
 * A heartbeat: light with `ip`, `port` and `clusterName`, or full with a description of the instance in `beat`, which
 * brings back an instance that is not known. A light one of an unknown instance is told to register.
 */
export async function heartbeat(
  naming: Naming,
  service: ServiceName,
  params: Params,
  caller: Caller,
): Promise<BeatAnswer> {
  const given = params.optional("beat");
  const cluster = params.text(CLUSTER_PARAM, "");
  const full = given === undefined ? undefined : readBeat(given);
  const instance = full && {
    ip: full.ip,
    port: full.port,
    weight: full.weight,
    healthy: true,
    enabled: true,
    clusterName: full.cluster.trim() === "" ? cluster : full.cluster,
    metadata: full.metadata,
    instanceId: "",
  };
  const ip = instance?.ip ?? params.text("ip", "").trim();
  const port = instance?.port ?? params.integer("port", 0);
  const answer = await naming.submitAddress({ type: "beat", service, ip, port, instance, caller });
  const { clientBeatInterval, lightBeatEnabled } = naming.state.switches;
  return {
    clientBeatInterval: answer?.intervalMs ?? clientBeatInterval,
    code: answer?.known === true ? BEAT_CODE.known : BEAT_CODE.unknown,
    lightBeatEnabled,
  };
}

function readBeat(given: string) {
  try {
    return beatBody.read(parseJsonObject(encodeUtf8(given), "beat"), "");
  } catch (cause) {
    const why = cause instanceof RegistryError ? cause.message : String(cause);
    throw new RegistryError("invalidParameter", `Param 'beat' is illegal, ${why}`, { cause });
  }
}
