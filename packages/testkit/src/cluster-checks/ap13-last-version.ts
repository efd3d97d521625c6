import type { ClusterCheck } from "../cluster-sim-world.ts";
import { viewersOf } from "./shown.ts";

/** A push that was lost with its connection or not acknowledged is tried again; after a busy second it waits half a second. */
const BOUND_MS = 2500;
const LONG_MS = 10_000;

/** AP-13: an application is shown the newest version of its member soon, and stays there. (That none is older, it checks itself.) */
export function lastVersion(): ClusterCheck {
  const since = new Map<string, { readonly shown: string; readonly at: number }>();
  return {
    name: "AP-13",
    look(world) {
      const viewers = viewersOf(world);
      const members = new Map(viewers.map((viewer) => [viewer.name, viewer]));
      for (const viewer of viewers) {
        if (viewer.name === viewer.member.machine.place) continue;
        const sdk = world.sdks.find(({ name }) => name === viewer.name);
        for (const [name, isConfirmed] of sdk?.subscribed ?? []) {
          const key = `${viewer.life} ${name}`;
          const told = viewer.shows(name);
          const asked = members.get(viewer.member.machine.place)?.shows(name);
          const isQuiet = world.net.isQuick && world.now - (sdk?.connection?.openedAt ?? 0) > LONG_MS;
          const text = asked && textOf(asked);
          if (!isQuiet || !isConfirmed || told === undefined || text === undefined || textOf(told) === text) {
            since.delete(key);
            continue;
          }
          const held = since.get(key);
          if (held?.shown !== text) since.set(key, { shown: text, at: world.now });
          else if (world.now - held.at > BOUND_MS)
            throw new Error(
              `AP-13: ${viewer.name} shows ${name} as [${textOf(told)}], and ${viewer.member.machine.place} [${text}] since ${held.at}`,
            );
        }
      }
    },
  };
}

export function textOf(shown: ReadonlyMap<string, boolean>): string {
  return [...shown]
    .map(([address, isHealthy]) => `${address}${isHealthy ? "" : " unhealthy"}`)
    .sort()
    .join(", ");
}
