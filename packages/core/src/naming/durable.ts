import { type ServiceName, serviceKey } from "@nacre/protocol";
import { type Refusal, refusal } from "../lib/refusal.ts";
import type { Command } from "./commands.ts";
import type { InstanceInput } from "./events.ts";
import type { Override, Service, ServiceMetadata } from "./model.ts";
import { putOverride, setOverrides } from "./overrides.ts";
import {
  deregisterPersistent,
  holdsPersistent,
  persistentClient,
  persistentId,
  putPersistent,
  registerPersistent,
  setHealth,
  trackAgain,
} from "./persistent.ts";
import { publishRefused, snowflakeOf } from "./publish.ts";
import { schedule } from "./push.ts";
import { ROW, readRowKey, store } from "./rows.ts";
import { deleteService, editService, putMetadata, updateCluster } from "./service-records.ts";
import { ensureService, findService, type NamingState, type Turn } from "./state.ts";
import {
  changeOfSwitch,
  healthParamsOf,
  readSwitchRow,
  type StoredSwitches,
  type Switches,
  switchRows,
} from "./switches.ts";

/**
 * Why a command would be refused as things stand: asked before it goes into the log, because it looks at ephemeral
 * state too, which `apply` must not do: that is not the same on every member.
 */
export function refuses(state: NamingState, command: Command): Refusal | undefined {
  switch (command.type) {
    case "registerPersistent": {
      const { instance, service } = command;
      return publishRefused(
        state,
        persistentClient(state, instance, 0),
        service,
        findService(state, service),
        [instance],
        "register",
      );
    }
    case "createService":
      return findService(state, command.service)?.listed === true ? exists(command.service) : undefined;
    case "updateService":
    case "updateCluster":
      return findService(state, command.service)?.listed === true ? undefined : missing(command.service);
    case "deleteService": {
      const service = findService(state, command.service);
      if (service === undefined || !service.listed) return missing(command.service);
      return service.hosts.size > 0 ? notEmpty(service) : undefined;
    }
    default:
      return applyRefused(state, command);
  }
}

/** What `apply` itself refuses: looks at durable state only, so that every member decides alike. */
function applyRefused(state: NamingState, command: Command): Refusal | undefined {
  switch (command.type) {
    case "registerPersistent": {
      const made = findService(state, command.service)?.metadata;
      return made?.ephemeral === true ? ephemeralOnly(command.service) : undefined;
    }
    case "createService":
      return findService(state, command.service)?.metadata === undefined ? undefined : exists(command.service);
    case "deleteService": {
      const service = findService(state, command.service);
      if (service !== undefined && holdsPersistent(service)) return notEmpty(service);
      return service?.metadata === undefined ? missing(command.service) : undefined;
    }
    case "setSwitch": {
      const changed = changeOfSwitch(command.entry, command.value);
      return typeof changed === "string" ? refusal("invalidParameter", changed) : undefined;
    }
    default:
      return undefined;
  }
}

function exists({ group, name }: ServiceName): Refusal {
  return refusal("serviceExists", `specified service ${group}@@${name} already exists!`);
}

function missing({ group, name }: ServiceName): Refusal {
  return refusal("serviceNotFound", `service ${group}@@${name} not found!`);
}

function notEmpty({ name: { group, name } }: Service): Refusal {
  return refusal(
    "serviceNotEmpty",
    `Service ${group}@@${name} is not empty, can't be delete. Please unregister instance first`,
  );
}

function ephemeralOnly(name: ServiceName): Refusal {
  return refusal(
    "invalidParameter",
    `Current service ${serviceKey(name)} is ephemeral service, can't register persistent instance.`,
  );
}

/** Applies one entry of the log. Deterministic in the rows it stores: it looks at durable state and at the entry only. */
export function apply(turn: Turn, entry: { index: number; at: number; command: Command }): void {
  const { command } = entry;
  const refused = applyRefused(turn.state, command);
  if (refused !== undefined) {
    turn.effects.push(refused);
    return;
  }
  switch (command.type) {
    case "registerPersistent":
      return registerPersistent(turn, command.service, command.instance, command.caller.ip, entry);
    case "deregisterPersistent":
      return deregisterPersistent(turn, command.service, persistentId(command.ip, command.port), command.caller.ip);
    case "setHealth":
      for (const change of command.changes) setHealth(turn, change);
      return;
    case "createService":
      return editService(turn, command.service, command.edit, command.ephemeral);
    case "updateService":
      return editService(turn, command.service, command.edit);
    case "deleteService":
      return deleteService(turn, command.service);
    case "updateCluster":
      return updateCluster(turn, command.service, command.cluster, command.metadata);
    case "setOverrides":
      return setOverrides(turn, command.service, command.instances, command.edit, command.caller.ip);
    case "setSwitch":
      return setSwitch(turn, changeOfSwitch(command.entry, command.value));
  }
}

function setSwitch(turn: Turn, change: Partial<Switches> | string): void {
  if (typeof change === "string") return;
  const { state } = turn;
  for (const { key, value } of switchRows(state, change)) store(turn, ROW.switch, key, value);
  assumeSwitches(turn, { switches: { ...state.switches, ...change }, switchesInOneRow: false });
}

/** Switches as they come out of the log or out of their rows. */
export function assumeSwitches(turn: Turn, { switches, switchesInOneRow }: StoredSwitches): void {
  const { state, effects } = turn;
  const pushedBefore = state.switches.pushEnabled;
  state.switches = switches;
  state.switchesInOneRow = switchesInOneRow;
  effects.push({ type: "healthParams", params: healthParamsOf(switches) });
  // Whoever fell behind while nothing was pushed gets the newest list now.
  if (switches.pushEnabled && !pushedBefore) for (const service of state.services.values()) schedule(turn, service);
}

/** One row of the store, at start, in any order of kinds. Nothing is pushed and nothing is stored again. */
export function loadRow(turn: Turn, kind: string, key: string, value: string): void {
  const held = JSON.parse(value) as never;
  const { service: name, part } = readRowKey(key);
  switch (kind) {
    case ROW.switch:
      return assumeSwitches(turn, readSwitchRow(turn.state, key, held));
    case ROW.service:
      return putMetadata(turn, ensureService(turn, name, true), held as ServiceMetadata);
    case ROW.override: {
      const service = ensureService(turn, name, true);
      putOverride(turn, service, part, held as Override);
      return trackAgain(turn, service.hosts.get(part));
    }
    case ROW.persistent:
      putPersistent(turn, name, held as InstanceInput, "", noId);
  }
}

/** For an instance that comes out of its row: where it has a generated id, that stands there. */
export function noId(): string {
  return snowflakeOf(0, 0);
}
