/** The parts of a member that simulators join anew, in the order in which `start.ts` does. */

export { Naming, type NamingSetup } from "../naming/naming.ts";
export { namingFeature } from "../naming/rpc.ts";
export { Balancer } from "./balancer.ts";
export { Cluster, type ClusterSetup, type Outside } from "./cluster.ts";
export { Diagnosing } from "./diagnosis.ts";
export { askReports, factsOf } from "./diagnosis-facts.ts";
export type { AddressEvent, BeatAnswer } from "./forwarding.ts";
export type { Identity, OpenedIdentity } from "./identity.ts";
export { openIdentity } from "./identity.ts";
export { leave } from "./leaving.ts";
export { LINK_LIMITS, type LinkLimits } from "./links/limits.ts";
export { Link, type LinkShared, type Pipe } from "./links/link.ts";
export type { ClusterLinks, LinksFacts, LinksSetup } from "./links/types.ts";
export { OwnWatch } from "./own-watch.ts";
export { SilentClientCount } from "./silent-clients.ts";
