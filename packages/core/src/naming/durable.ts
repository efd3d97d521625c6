import { clusterOf, type ServiceKey, type ServiceName, serviceKey } from "@nacre/protocol";
import { checkSkipped } from "../health/checker.ts";
import { targetKey } from "../health/state.ts";
import { changeHealth } from "./beats.ts";
import type { Command, OverrideEdit, ServiceEdit } from "./commands.ts";
import type { Effect, InstanceInput } from "./events.ts";
import { noteExistence } from "./fuzzy.ts";
import { instanceKey, mergedText, overridden } from "./instance.ts";
import type { Client, ClusterMetadata, Entry, InstanceKey, Override, Service, ServiceMetadata } from "./model.ts";
import { noteVanished, publish, publishRefused, record, withdraw } from "./publish.ts";
import { touch } from "./push.ts";
import { type Refusal, refusal } from "./refusal.ts";
import { ensureService, findService, forgetService, type NamingState, noteEmpty, type Turn, wallAt } from "./state.ts";
import { changeSwitch, healthParamsOf } from "./switches.ts";

/** Rows of the durable state: what the store holds, one kind per table of the model. */
export const ROW = {
  bootstrap: "bootstrap",
  service: "service",
  override: "override",
  persistent: "persistent",
  switch: "switch",
} as const;

/** Between the two halves of a row key; no service name can hold it, because names hold no white space. */
const KEY_SEPARATOR = "\n";

export const DEFAULT_CLUSTER_METADATA: ClusterMetadata = {
  healthChecker: { type: "TCP" },
  healthyCheckPort: 80,
  useInstancePort: true,
  metadata: {},
};

const NO_SERVICE_METADATA: ServiceMetadata = {
  ephemeral: true,
  protectThreshold: 0,
  selector: { type: "none" },
  metadata: {},
  clusters: {},
};

/**
 * Why a command would be refused as things stand: asked before it goes into the log, because it looks at ephemeral
 * state too, which `apply` must not do: that is not the same on every member.
 */
export function refuses(state: NamingState, command: Command): Refusal | undefined {
  switch (command.type) {
    case "registerPersistent": {
      const client = state.clients.get(persistentId(command.instance.ip, command.instance.port));
      const service = findService(state, command.service);
      if (client === undefined && service?.listed === true && service.ephemeral)
        return refusal(
          "invalidParameter",
          `Current service ${serviceKey(command.service)} is ephemeral service, can't register persistent instance.`,
        );
      return publishRefused(
        state,
        client ?? persistentClient(state, command.instance, 0),
        command.service,
        [command.instance],
        "register",
      );
    }
    case "deleteService": {
      const service = findService(state, command.service);
      return service !== undefined && service.hosts.size > 0 ? notEmpty(service) : applyRefused(state, command);
    }
    default:
      return applyRefused(state, command);
  }
}

/** What `apply` itself refuses: looks at durable state only, so that every member decides alike. */
function applyRefused(state: NamingState, command: Command): Refusal | undefined {
  switch (command.type) {
    case "createService":
      return findService(state, command.service)?.metadata !== undefined
        ? refusal(
            "serviceExists",
            `specified service ${command.service.group}@@${command.service.name} already exists!`,
          )
        : undefined;
    case "updateService":
    case "deleteService": {
      const service = findService(state, command.service);
      if (service === undefined || !service.listed) return noService(command.service);
      const durable = [...service.publications.keys()].some((client) => client.kind === "persistent");
      return command.type === "deleteService" && durable ? notEmpty(service) : undefined;
    }
    case "setSwitch": {
      const changed = changeSwitch(state.switches, command.entry, command.value);
      return typeof changed === "string" ? refusal("invalidParameter", changed) : undefined;
    }
    default:
      return undefined;
  }
}

function noService(name: ServiceName): Refusal {
  return refusal("serviceNotFound", `service ${name.group}@@${name.name} not found!`);
}

function notEmpty(service: Service): Refusal {
  const { group, name } = service.name;
  return refusal(
    "serviceNotEmpty",
    `Service ${group}@@${name} is not empty, can't be delete. Please unregister instance first`,
  );
}

/** Applies one entry of the log. Deterministic in the rows it stores. */
export function apply(turn: Turn, command: Command): void {
  const refused = applyRefused(turn.state, command);
  if (refused !== undefined) {
    turn.effects.push(refused);
    return;
  }
  switch (command.type) {
    case "bootstrap":
      return bootstrap(turn, command.clusterId, command.memberId);
    case "registerPersistent":
      return registerPersistent(turn, command.service, command.instance, command.caller);
    case "deregisterPersistent":
      return deregisterPersistent(turn, command.service, persistentId(command.ip, command.port), command.caller.ip);
    case "setHealth":
      for (const change of command.changes) {
        const service = findService(turn.state, change.service);
        const entry = service?.hosts.get(change.instance);
        if (service === undefined || entry === undefined || entry.instance.ephemeral) continue;
        changeHealth(turn, service, entry, change.healthy, { cause: change.cause, from: "", detail: change.detail });
        storePersistent(turn, entry);
        const key = targetKey(service.key, entry.publication.client.id);
        turn.effects.push({ type: "healthChanged", key, healthy: change.healthy });
      }
      return;
    case "createService":
      return editService(turn, command.service, command.ephemeral, command.edit);
    case "updateService":
      return editService(
        turn,
        command.service,
        findService(turn.state, command.service)?.ephemeral ?? true,
        command.edit,
      );
    case "deleteService":
      return deleteService(turn, command.service);
    case "updateCluster":
      return updateCluster(turn, command.service, command.cluster, command.metadata);
    case "setOverrides":
      return setOverrides(turn, command.service, command.instances, command.edit, command.caller.ip);
    case "setSwitch": {
      const changed = changeSwitch(turn.state.switches, command.entry, command.value);
      if (typeof changed === "string") return;
      turn.state.switches = changed;
      store(turn, ROW.switch, "switches", changed);
      turn.effects.push({ type: "healthParams", params: healthParamsOf(changed) });
    }
  }
}

function store(turn: Turn, kind: string, key: string, value: unknown): void {
  turn.effects.push({ type: "store", kind, key, value: value === undefined ? undefined : JSON.stringify(value) });
}

function bootstrap(turn: Turn, clusterId: string, memberId: string): void {
  if (turn.state.clusterId !== "") return;
  turn.state.clusterId = clusterId;
  turn.state.self.memberId = memberId;
  store(turn, ROW.bootstrap, "cluster", { clusterId, memberId });
}

function persistentId(ip: string, port: number): string {
  return `${ip.trim()}:${port}#false`;
}

function persistentClient(state: NamingState, at: { ip: string; port: number }, now: number): Client {
  return {
    id: persistentId(at.ip, at.port),
    kind: "persistent",
    owner: state.self.memberId,
    incarnation: state.self.incarnation,
    counter: 0,
    contentHash: 0,
    ip: at.ip.trim(),
    port: at.port,
    app: "",
    agent: "",
    createdAt: wallAt(state, now),
    activeAt: now,
    publications: new Map(),
    subscriptions: undefined,
  };
}

function registerPersistent(
  turn: Turn,
  name: ServiceName,
  input: InstanceInput,
  caller: { ip: string; app: string; agent: string },
): void {
  const { state } = turn;
  const id = persistentId(input.ip, input.port);
  const client = state.clients.get(id) ?? persistentClient(state, input, turn.now);
  state.clients.set(id, client);
  publish(turn, client, name, [input], caller);
  const service = ensureService(turn, name, false);
  const entry = service.publications.get(client)?.entries[0];
  if (entry === undefined) return;
  storePersistent(turn, entry);
  track(turn, entry);
}

/** Tells health checking of a persistent instance, and how its cluster is checked. */
function track(turn: Turn, { instance, publication }: Entry): void {
  const { ip, port, cluster, healthy } = instance;
  const { metadata, key, overrides } = publication.service;
  const described = Object.hasOwn(metadata?.clusters ?? {}, cluster) ? metadata?.clusters[cluster] : undefined;
  const { healthChecker, healthyCheckPort, useInstancePort } = described ?? DEFAULT_CLUSTER_METADATA;
  const shown = overridden(instance, overrides?.get(instanceKey(instance)));
  const check = { checker: healthChecker, port: healthyCheckPort, useInstancePort };
  const skipped = checkSkipped(shown.metadata, metadata?.metadata ?? {});
  const target = { service: key, clientId: publication.client.id, ip, port, cluster, check, skipped };
  turn.effects.push({ type: "track", target, healthy });
}

/** How the instances of a service are checked may have changed. */
function trackAll(turn: Turn, service: Service): void {
  for (const [client, { entries }] of service.publications)
    if (client.kind === "persistent") for (const entry of entries) track(turn, entry);
}

function storePersistent(turn: Turn, { instance, publication }: Entry): void {
  const { hash: _, ephemeral: __, cluster, instanceId, ...rest } = instance;
  store(turn, ROW.persistent, persistentRow(publication.client.id, publication.service.key), {
    ...rest,
    clusterName: cluster,
    instanceId: instanceId ?? "",
  });
}

function persistentRow(clientId: string, service: ServiceKey): string {
  return `${service}${KEY_SEPARATOR}${clientId}`;
}

function deregisterPersistent(turn: Turn, name: ServiceName, clientId: string, from: string): void {
  const { state } = turn;
  const client = state.clients.get(clientId);
  const service = findService(state, name);
  const publication = client && service?.publications.get(client);
  if (client === undefined || service === undefined || publication === undefined) return;
  turn.effects.push({ type: "untrack", key: targetKey(service.key, clientId) });
  withdraw(turn, client, service, { cause: "deregistered", from, detail: "" });
  if (client.publications.size === 0) state.clients.delete(clientId);
  store(turn, ROW.persistent, persistentRow(clientId, service.key), undefined);
}

function editService(turn: Turn, name: ServiceName, ephemeral: boolean, edit: ServiceEdit): void {
  const service = ensureService(turn, name, ephemeral);
  const clusters = service.metadata?.clusters ?? {};
  if (service.publications.size === 0) service.ephemeral = ephemeral;
  setMetadata(turn, service, { ephemeral: service.ephemeral, ...edit, clusters });
}

function setMetadata(turn: Turn, service: Service, metadata: ServiceMetadata): void {
  service.metadata = metadata;
  store(turn, ROW.service, service.key, metadata);
  noteExistence(turn, service);
  trackAll(turn, service);
  touch(turn, service);
}

function updateCluster(turn: Turn, name: ServiceName, cluster: string, metadata: ClusterMetadata): void {
  const service = ensureService(turn, name, true);
  const held = service.metadata ?? { ...NO_SERVICE_METADATA, ephemeral: service.ephemeral };
  const clusters = Object.fromEntries([...Object.entries(held.clusters), [clusterOf(cluster), metadata]]);
  setMetadata(turn, service, { ...held, clusters });
}

function deleteService(turn: Turn, name: ServiceName): void {
  const service = findService(turn.state, name);
  if (service === undefined) return;
  service.metadata = undefined;
  store(turn, ROW.service, service.key, undefined);
  for (const key of service.overrides?.keys() ?? [])
    store(turn, ROW.override, overrideRow(service.key, key), undefined);
  service.overrides = undefined;
  service.vanished = undefined;
  noteExistence(turn, service);
  noteEmpty(turn, service);
  touch(turn, service);
  if (service.publications.size === 0 && (service.subscribers?.size ?? 0) === 0) forgetService(turn.state, service);
}

function overrideRow(service: ServiceKey, instance: InstanceKey): string {
  return `${service}${KEY_SEPARATOR}${instance}`;
}

function setOverrides(
  turn: Turn,
  name: ServiceName,
  instances: readonly InstanceKey[],
  edit: OverrideEdit,
  from: string,
): void {
  const service = edit.how === "drop" ? findService(turn.state, name) : ensureService(turn, name, true);
  if (service === undefined) return;
  for (const key of instances) {
    const before = service.overrides?.get(key);
    const after = editedOverride(before, edit);
    if (after === undefined) {
      if (service.overrides?.delete(key) !== true) continue;
      service.vanished?.delete(key);
    } else {
      service.overrides ??= new Map();
      service.overrides.set(key, after);
      if (!service.hosts.has(key)) noteVanished(turn, service, key);
    }
    store(turn, ROW.override, overrideRow(service.key, key), after);
    noteSwitchedOff(turn, service, key, before, after, from);
  }
  if (service.overrides?.size === 0) service.overrides = undefined;
  trackAll(turn, service);
  noteEmpty(turn, service);
  touch(turn, service);
}

function noteSwitchedOff(
  turn: Turn,
  service: Service,
  key: InstanceKey,
  before: Override | undefined,
  after: Override | undefined,
  from: string,
): void {
  const entry = service.hosts.get(key);
  if (entry === undefined) return;
  const was = before?.enabled ?? entry.instance.enabled;
  const is = after?.enabled ?? entry.instance.enabled;
  if (was !== is)
    record(turn, service, key, entry, is ? "enabled" : "disabled", { cause: "operator", from, detail: "" });
}

function editedOverride(before: Override | undefined, edit: OverrideEdit): Override | undefined {
  const held: Override = before ?? { weight: undefined, enabled: undefined, metadata: {} };
  switch (edit.how) {
    case "replace":
      return edit.override;
    case "patch":
      return {
        weight: edit.weight ?? held.weight,
        enabled: edit.enabled ?? held.enabled,
        metadata: edit.metadata ?? held.metadata,
      };
    case "mergeMetadata":
      return { ...held, metadata: mergedText(held.metadata, edit.metadata) };
    case "removeMetadata":
      return {
        ...held,
        metadata: Object.fromEntries(Object.entries(held.metadata).filter(([key]) => !edit.keys.includes(key))),
      };
    case "drop":
      return undefined;
  }
}

/** One row of the store, at start. Nothing is pushed and nothing is stored again. */
export function loadRow(turn: Turn, kind: string, key: string, value: string): void {
  const { state } = turn;
  const held = JSON.parse(value) as never;
  const [service = "", rest = ""] = key.split(KEY_SEPARATOR);
  switch (kind) {
    case ROW.bootstrap:
      state.clusterId = (held as { clusterId: string }).clusterId;
      state.self.memberId = (held as { memberId: string }).memberId;
      return;
    case ROW.switch:
      state.switches = { ...state.switches, ...(held as object) };
      turn.effects.push({ type: "healthParams", params: healthParamsOf(state.switches) });
      return;
    case ROW.service: {
      const metadata = held as ServiceMetadata;
      const found = ensureService(turn, nameOf(service), metadata.ephemeral);
      found.metadata = metadata;
      found.ephemeral = metadata.ephemeral;
      noteExistence(turn, found);
      return;
    }
    case ROW.override: {
      const found = ensureService(turn, nameOf(service), true);
      found.overrides ??= new Map();
      found.overrides.set(rest, held as Override);
      noteVanished(turn, found, rest);
      return;
    }
    case ROW.persistent:
      registerPersistent(turn, nameOf(service), held as InstanceInput, { ip: "", app: "", agent: "" });
      return;
  }
}

function nameOf(key: ServiceKey): ServiceName {
  const [namespace = "", group = "", ...name] = key.split("@@");
  return { namespace, group, name: name.join("@@") };
}

/** Only the rows of these effects; the rest of a step of `apply` is for the shell. */
export function rowsOf(effects: readonly Effect[]): { kind: string; key: string; value: string | undefined }[] {
  return effects.flatMap((effect) =>
    effect.type === "store" ? [{ kind: effect.kind, key: effect.key, value: effect.value }] : [],
  );
}
