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
    row: "F13, F14",
    symptom: "no leader after addresses have changed, or a server by itself that finds no leader",
    why: "Voters are ids that stand in data folders. Addresses are what members tell each other, so that new ones concern links and never the group, and a member by itself leads whatever its address is.",
  },
  {
    row: "F34",
    symptom: "a row that was edited in the database and is not served",
    why: "There is no database beside the members: `store.db` in the data folder is made from the log, and nobody else writes it.",
  },
  {
    row: "F39",
    symptom: "persistent instances that are gone after a restart",
    why: "They are read from store and log before the first client is let in, and nothing but an order removes one.",
  },
  {
    row: "F49, F51",
    symptom: "a write, or an order to the group, that is answered as done and was not",
    why: "It is answered with what it led to, when it has been applied where it was asked for. Not done, and not known, are answers of their own, with the reason.",
  },
  {
    row: "F50",
    symptom: "members that decide differently because their clocks differ",
    why: "The time by which a change is judged comes with its entry in the log, from its leader's clock, and never goes back. What entries led to is compared (`STATE_DIFFERS`).",
  },
  {
    row: "F53",
    symptom: "weights and switched-off instances that are forgotten after a restart",
    why: "What operators set on an instance is durable data of its own, beside the registration of the client.",
  },
];
