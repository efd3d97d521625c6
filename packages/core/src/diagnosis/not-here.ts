/** A failure that operators of the reference meet, and for which there is no finding. */
export interface NotHere {
  /** Row of the list of failure modes. */
  readonly row: string;
  readonly symptom: string;
  readonly why: string;
}

/** What operators look for and do not find in the catalogue, with the reason. */
export const NOT_HERE: readonly NotHere[] = [
  {
    row: "F03",
    symptom: "a one-member cluster that never gets ready",
    why: "A list that names only this member is a cluster of one: it is ready at once, and says so in its readiness.",
  },
  {
    row: "F05",
    symptom: "`RESOURCE_EXHAUSTED … 10485760` while loading",
    why: "Loading goes in chunks of at most 1 MiB, whatever there is to load. How far it has come stands in the readiness.",
  },
  {
    row: "F10",
    symptom: "an instance that was deregistered stays visible",
    why: "A newer client with the same address replaces the older one's copy on every member, so its deregistration removes both.",
  },
  {
    row: "F22",
    symptom: "an address of Docker or a VPN in `cluster.conf`",
    why: "The file is never written, and of a machine's addresses the one that the list names is used (`SELF_ADDRESS_CHOSEN`, `SELF_UNLISTED`).",
  },
  {
    row: "F30",
    symptom: "an instance that was registered again vanishes three minutes later for two seconds",
    why: "Copies have no lease of their own: they stay for as long as their owner holds them.",
  },
  {
    row: "F31",
    symptom: "a changed cluster name that never reaches the other members",
    why: "The hash that members compare covers everything that is published; a difference that stayed would be `COPIES_DIFFER`.",
  },
  {
    row: "F13-F20, F35, F38-F40, F47-F51",
    symptom: "no leader, a voter under an old address, a group that stopped",
    why: "Durable data is not replicated in this release, so there is nothing to elect. Findings of the replicated log come with it.",
  },
  {
    row: "F32, F34",
    symptom: "a changed configuration that some members do not serve",
    why: "A member that knows others refuses changes of configurations in this release, and what one held before it had others is served by it alone, and there is no database beside it.",
  },
];
