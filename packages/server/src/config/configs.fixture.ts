import { testedNaming } from "../naming/http.fixture.ts";
import { ALWAYS_RESPONSIBLE } from "../responsibility.ts";
import { type AnyCommand, type AnyResult, stateMachine } from "../state-machine.ts";
import type { StateMachine } from "../storage/port.ts";
import { Configs, type ConfigsSetup } from "./configs.ts";

/** A shell with what tests seldom care about filled in: no ciphers, no services, contents that are never wrong. */
export function testedConfigs(
  parts: Pick<ConfigsSetup, "clock" | "log" | "connections">,
  some: Partial<ConfigsSetup> = {},
): Configs {
  return new Configs({
    options: {},
    contentCacheBytes: 1024 * 1024,
    retentionDays: 30,
    memberId: "m",
    responsibility: ALWAYS_RESPONSIBLE,
    ciphers: [],
    checkContent: async () => undefined,
    services: { count: () => 0, remove: async () => {} },
    ...parts,
    ...some,
  });
}

/** What a member's machine is at another member, which has the same options, and connections of its own without clients. */
export function anotherMachine(some: Partial<ConfigsSetup> = {}): StateMachine<AnyCommand, AnyResult> {
  const { naming, ...parts } = testedNaming("n", {});
  return stateMachine(naming, testedConfigs(parts, { ...some, ...parts, memberId: "n" }));
}
