import { givenIn, listIn, textIn } from "./bodies.ts";
import { fieldOf, type Http } from "./http.ts";
import { hostAndPort, type Probed } from "./probe.ts";

/** Who a Nacre is. */
export interface Nacre {
  readonly memberId: string;
  readonly clusterId: string;
}

/** Undefined for servers of other kinds. */
export async function nacreAt({ http, dialect }: Probed): Promise<Nacre | undefined> {
  if (dialect === "v1") return undefined;
  const { json } = await http.call("GET", "/v3/admin/core/cluster/matrix");
  const data = fieldOf(json, "data");
  const clusterId = givenIn(data, "clusterId");
  return clusterId === undefined ? undefined : { memberId: textIn(fieldOf(data, "by"), "id"), clusterId };
}

/**
 * Why two servers hold the same, as the end of a sentence; undefined when they do not. Servers that are no Nacre are told
 * apart by their addresses alone.
 */
export async function sameness(
  one: { readonly http: Http; readonly nacre: Nacre | undefined },
  other: { readonly http: Http; readonly nacre: Nacre | undefined },
): Promise<string | undefined> {
  if (one.nacre === undefined || other.nacre === undefined) {
    return sameAddress(one.http.base, other.http.base) ? "are the same server" : undefined;
  }
  if (one.nacre.memberId === other.nacre.memberId) return "are the same server";
  if (one.nacre.clusterId !== other.nacre.clusterId) return undefined;
  const [group, otherGroup] = await Promise.all([one.http, other.http].map(groupOf));
  return group !== undefined && group === otherGroup ? "are members of the same cluster" : undefined;
}

/** What the members of one group say alike. Undefined of a member that is in none, and holds what it has by itself. */
async function groupOf(http: Http): Promise<string | undefined> {
  const { json } = await http.call("GET", "/v3/admin/core/raft/status", { query: { all: false } });
  const data = fieldOf(json, "data");
  const id = textIn(fieldOf(data, "by"), "id");
  const self = listIn(data, "members").find((member) => textIn(member, "id") === id);
  const inGroup = textIn(self, "inGroup");
  return inGroup === "voter" || inGroup === "learner"
    ? `${textIn(data, "clusterId")} ${textIn(data, "epoch")}`
    : undefined;
}

function sameAddress(one: string, other: string): boolean {
  const of = (base: string): string | undefined => {
    const at = hostAndPort(base);
    return at && `${at.host} ${at.port} ${new URL(base).pathname}`;
  };
  return of(one) === of(other);
}
