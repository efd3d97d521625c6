import {
  type CheckType,
  type HealthEffect,
  type HealthEvent,
  type HealthState,
  nextTickAt,
  step,
} from "@nacre/core/health";
import type { Clock, Timer } from "../../clock.ts";
import type { Responsibility } from "../../responsibility.ts";
import { newHttpCheck } from "./http.ts";
import type { Check } from "./probe.ts";
import { newTcpCheck } from "./tcp.ts";

export type Checks = Readonly<Record<CheckType, Check>>;
export type SetHealth = Extract<HealthEffect, { type: "setHealth" }>;

export interface HealthChecksOptions {
  readonly clock: Clock;
  readonly health: HealthState;
  /** Puts the change into the durable log; resolves when it is applied, rejects when it is refused. */
  readonly setHealth: (change: SetHealth) => Promise<unknown>;
  readonly checks?: Checks;
  /** Whether this member checks; of those that do not, none is ordered and no result counts (H9). */
  readonly responsibility: Responsibility;
}

export interface HealthChecks {
  /** What the naming shell knows: targets, checkers, switches, and healths that others changed. */
  send(event: Exclude<HealthEvent, { type: "checked" | "tick" }>): void;
  /** Stops every check; nothing is proposed afterwards. */
  close(): void;
}

/** The shell of the health core: performs its effects in order, keeps its clock and brings the results back. */
export function startHealthChecks({
  clock,
  health,
  setHealth,
  checks = newChecks(),
  responsibility,
}: HealthChecksOptions): HealthChecks {
  const flying = new Map<number, AbortController>();
  let timer: { at: number; pending: Timer } | undefined;
  /** As the switches say it, whoever checks. */
  let { params } = health;
  let closed = false;
  decideWhoChecks();
  responsibility.onChange(decideWhoChecks);

  function send(event: HealthEvent): void {
    if (closed) return;
    for (const effect of step(health, event, clock.now())) perform(effect);
    arm();
  }

  function perform(effect: HealthEffect): void {
    switch (effect.type) {
      case "check": {
        const abort = new AbortController();
        flying.set(effect.run, abort);
        checks[effect.order.checker.type](effect.order, abort.signal).then((result) => {
          flying.delete(effect.run);
          send({ type: "checked", run: effect.run, ...result });
        });
        return;
      }
      case "cancel":
        flying.get(effect.run)?.abort();
        return;
      case "setHealth":
        setHealth(effect).then(
          () => send({ type: "healthChanged", key: effect.key, healthy: effect.healthy }),
          () => send({ type: "refused", key: effect.key }),
        );
    }
  }

  function arm(): void {
    const at = nextTickAt(health);
    if (at === timer?.at) return;
    timer?.pending.cancel();
    timer =
      at === undefined
        ? undefined
        : {
            at,
            pending: clock.schedule(Math.max(0, at - clock.now()), () => {
              timer = undefined;
              send({ type: "tick" });
            }),
          };
  }

  function decideWhoChecks(): void {
    const enabled = params.enabled && responsibility.isResponsible();
    send({ type: "paramsChanged", params: { ...params, enabled } });
  }

  return {
    send(event) {
      if (event.type !== "paramsChanged") return send(event);
      params = event.params;
      decideWhoChecks();
    },
    close() {
      closed = true;
      timer?.pending.cancel();
      for (const abort of flying.values()) abort.abort();
    },
  };
}

export function newChecks(): Checks {
  return {
    TCP: newTcpCheck(),
    HTTP: newHttpCheck(),
    MYSQL: lazily(async () => (await import("./mysql.ts")).newMysqlCheck()),
  };
}

/** Loaded with the first check that needs it: most members have no such target, and its library is a large one. */
function lazily(load: () => Promise<Check>): Check {
  let loaded: Promise<Check> | undefined;
  return async (order, signal) => {
    loaded ??= load();
    return (await loaded)(order, signal);
  };
}
