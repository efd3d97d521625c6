import type { SimMember } from "../cluster-sim-member.ts";
import { SIM_EPOCH } from "../cluster-sim-process.ts";
import type { SimSdk } from "../cluster-sim-sdk.ts";
import type { ClusterWorld, Truth } from "../cluster-sim-world.ts";
import { service } from "../naming-bench.ts";

/** Somebody who is shown services: a member that is asked, or an application that is pushed. */
export interface Viewer {
  readonly name: string;
  /** A member in another life, or an application on another connection, begins anew. */
  readonly life: string;
  readonly member: SimMember;
  /** Undefined: it is not shown this service. */
  shows(service: string): ReadonlyMap<string, boolean> | undefined;
}

/** Members that let clients in, and applications that are connected to one of them. */
export function viewersOf(world: ClusterWorld): Viewer[] {
  const viewers: Viewer[] = world.ready
    .filter((member) => member.process.isRunning && !world.foreign.has(member.machine))
    .map((member) => {
      const cache = new Map<string, ReadonlyMap<string, boolean>>();
      return {
        name: member.machine.place,
        life: `${member.id}/${member.incarnation}`,
        member,
        shows(name) {
          const held = cache.get(name) ?? member.shows(service(name));
          cache.set(name, held);
          return held;
        },
      };
    });
  return [...viewers, ...world.sdks.flatMap((sdk) => applicationOf(world, sdk))];
}

function applicationOf(world: ClusterWorld, sdk: SimSdk): Viewer[] {
  const member = world.memberAt(sdk.heldBy);
  const { connection } = sdk;
  if (member === undefined || connection === undefined || !sdk.process.isRunning || sdk.subscribed.size === 0)
    return [];
  return [
    {
      name: sdk.name,
      life: `${sdk.name} since ${connection.openedAt}`,
      member,
      shows: (name) => {
        const view = sdk.views.get(name);
        return view?.isCurrent === true ? view.shown : undefined;
      },
    },
  ];
}

/** What the viewer's member noted about the instance. */
export function causesOf({ member }: Viewer, { service: name, address }: Truth): string {
  const [ip, port] = address.split(":");
  const noted = member.naming.state.journal.find(({ instance }) => instance.startsWith(`${ip}:${port}:`), 6);
  const told = noted.map(
    ({ what, cause, from, detail, at }) => `${at - SIM_EPOCH} ${what}: ${cause} ${from} ${detail}`,
  );
  return `; ${member.machine.place} noted of ${name}: ${told.join(", ")}`;
}
