import { contentsOf, type NamingState } from "@nacre/core/naming";
import { clustersBroken, portBroken, RegistryError, refuseBroken, ruleBroken } from "@nacre/protocol";
import type { Naming } from "../naming/naming.ts";
import type { AddressEvent, Forwarded, ForwardedWrite } from "./forwarding.ts";

/**
 * Holds a write that another member forwarded against the rules for clients of this member, as it is made here: the
 * member that took it may have other options, or be broken. What naming checks of an instance is not repeated.
 *
 * @throws RegistryError as for a client, which the member that forwarded it tells its client.
 */
export function refuseForwarded(
  event: AddressEvent,
  { checkParams }: Pick<NamingState["options"], "checkParams">,
): void {
  const { service } = event;
  const { ip, port } = event.type === "publishAddress" ? event.instance : event;
  if (service.namespace.trim() === "" || service.group.trim() === "" || service.name.trim() === "")
    throw new RegistryError("parameterMissing", "a member forwarded a write for a service without a name");
  if (ip.trim() === "") throw new RegistryError("parameterMissing", "Param 'ip' is required.");
  refuseBroken(portBroken(port));
  const { instance } = event.type === "withdrawAddress" ? {} : event;
  // A heartbeat that brings what it is of is kept under the address of the heartbeat.
  if (instance !== undefined && (instance.ip.trim() !== ip.trim() || instance.port !== port))
    throw new RegistryError("invalidParameter", "a member forwarded a heartbeat of one address with another instance");
  if (!checkParams) return;
  refuseBroken(
    ruleBroken("namespace", service.namespace),
    ruleBroken("group", service.group),
    ruleBroken("serviceName", service.name),
    ruleBroken("ip", ip),
    instance && clustersBroken(instance.clusterName),
  );
}

/**
 * Makes a write that another member forwarded as if its client had come here.
 *
 * @param beat  how far the beats of this member have come.
 * @throws RegistryError as `refuseForwarded`; `peerUnreachable` when nobody waits for it any more: this member stood
 * still, or the network did, and whoever forwarded it has made it meanwhile. Or when this member stops, and nobody would
 * hear of it.
 */
export function forwarded(
  naming: Pick<Naming, "state" | "submit" | "isStopped">,
  { until, ...event }: ForwardedWrite,
  beat: number,
): Forwarded {
  if (beat > until)
    throw new RegistryError("peerUnreachable", `the write came ${Math.ceil(beat - until)} ms after its time was over`);
  if (naming.isStopped) throw new RegistryError("peerUnreachable", "this member stops");
  refuseForwarded(event, naming.state.options);
  const isUnknown = event.type === "withdrawAddress" && !isHeld(naming.state, event);
  const answer = naming.submit(event);
  if (isUnknown) return { isUnknown };
  return answer === undefined ? {} : { beat: { known: answer.known, intervalMs: answer.intervalMs } };
}

function isHeld(
  state: NamingState,
  { ip, port, service }: Extract<AddressEvent, { type: "withdrawAddress" }>,
): boolean {
  const held = contentsOf(state, `${ip.trim()}:${port}#true`, [service]);
  return held?.publications.some(({ instances }) => instances.length > 0) === true;
}
