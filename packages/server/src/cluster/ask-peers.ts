import type { LinkId, Member, MemberId } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import { type PeerCallName, type PeerCalls, type Peers, readAnswer } from "./peer-calls.ts";

export interface AskPeersParts {
  readonly members: () => Iterable<Pick<Member, "id" | "state" | "replacedBy">>;
  /** The address of a member, as people know it. */
  readonly shown: (id: MemberId) => string;
  readonly linkTo: (id: MemberId) => LinkId | undefined;
  readonly call: (link: LinkId, name: string, given: unknown, timeoutMs: number) => Promise<unknown>;
}

/** The other members, asked over links. */
export function askPeers({ members, shown, linkTo, call }: AskPeersParts): Peers {
  async function ask<Name extends PeerCallName>(
    memberId: MemberId,
    name: Name,
    given: PeerCalls[Name]["given"],
    timeoutMs: number,
  ): Promise<PeerCalls[Name]["answered"]> {
    const link = linkTo(memberId);
    if (link === undefined)
      throw new RegistryError("peerUnreachable", `there is no connection to member ${shown(memberId)}`);
    return readAnswer(name, await call(link, name, given, timeoutMs));
  }
  /** All but those whose place another member has taken: they are gone for good, and nobody waits for their answer. */
  const askable = (): MemberId[] =>
    [...members()].flatMap(({ id, state, replacedBy }) => (state !== "DOWN" || replacedBy === undefined ? [id] : []));
  return {
    ask,
    askAll: (name, given, timeoutMs) =>
      Promise.all(
        askable().map(async (memberId) => {
          const address = shown(memberId);
          try {
            return { memberId, address, answer: await ask(memberId, name, given, timeoutMs) };
          } catch (thrown) {
            return { memberId, address, error: RegistryError.from(thrown) };
          }
        }),
      ),
  };
}
