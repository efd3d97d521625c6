import type { Checker } from "../distro-model.ts";

/** AP-5: nothing that a peer says changes a client that is connected here. */
export function ownClients(): Checker {
  return {
    name: "AP-5",
    stepped(world, member, event, effects) {
      if (event.type !== "received") return;
      for (const effect of effects) {
        if (effect.type !== "apply" && effect.type !== "forget") continue;
        const client = world.client(effect.clientId);
        if (client?.kind === "connection" && client.published && client.member === member)
          throw new Error(
            `AP-5: ${event.message.type} of ${event.from} made ${member.id} ${effect.type} ${effect.clientId}`,
          );
      }
    },
  };
}
