import type { Checker } from "../distro-model.ts";

/** AP-7: a message that comes twice changes nothing the second time. */
export function repeats(): Checker {
  return {
    name: "AP-7",
    stepped(_world, member, event, effects, again) {
      if (!again || event.type !== "received") return;
      const [changing] = effects.filter(({ type }) => ["apply", "forget", "renumber", "mark"].includes(type));
      if (changing !== undefined)
        throw new Error(`AP-7: a second ${event.message.type} made ${member.id} ${JSON.stringify(changing)}`);
    },
  };
}
