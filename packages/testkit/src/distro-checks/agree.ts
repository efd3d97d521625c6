import { stateHash } from "@nacre/core/distro";
import type { SimMember } from "../distro-model.ts";
import type { World } from "../distro-world.ts";

/** What members hold, in words: undefined when all that are ready hold the same, in the core and in naming. */
export function disagreement(world: World): string | undefined {
  const ready = world.ready();
  if (ready.length < world.live().length) return "a member has not loaded";
  const [first, ...rest] = ready.map((member) => ({ member, hash: stateHashOf(member), view: viewOf(member) }));
  for (const other of rest) {
    if (other.view !== first?.view)
      return `${first?.member.id} shows ${first?.view}, and ${other.member.id} ${other.view}`;
    if (other.hash !== first.hash)
      return `${first.member.id} counts ${first.hash}, and ${other.member.id} ${other.hash}`;
  }
  return undefined;
}

function stateHashOf({ distro }: SimMember): string {
  return distro === undefined ? "" : stateHash(distro);
}

/** Every client with its version and content. */
export function viewOf({ naming }: SimMember): string {
  return [...naming]
    .map(
      ([id, { version, contentHash }]) =>
        `${id}=${version.owner}/${version.incarnation}/${version.counter}/${contentHash}`,
    )
    .sort()
    .join(" ");
}
