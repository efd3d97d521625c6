import type { DistroOptions, Message } from "@nacre/core/distro";
import type { Frame, MembershipOptions } from "@nacre/core/membership";
import type { ClientNews, Event as NamingEvent } from "@nacre/core/naming";
import type { Identity } from "@nacre/server/cluster";
import type { Push } from "@nacre/server/connections";
import { SimDisk } from "./cluster-sim-disk.ts";
import type { SimMember } from "./cluster-sim-member.ts";
import type { SimNet } from "./cluster-sim-net.ts";
import type { Machine } from "./cluster-sim-process.ts";
import type { Random } from "./random.ts";

export const MAIN_PORT = 8848;
/** The folder of a member on its disk. */
export const DATA = "/data";

/** What is wrong with members on purpose; sound ones have none. */
export interface Breakage {
  /** What naming is fed; undefined keeps the event away from it. */
  readonly naming?: (event: NamingEvent, member: SimMember) => NamingEvent | undefined;
  /** What naming tells Distro. */
  readonly news?: (news: ClientNews, member: SimMember) => ClientNews | undefined;
  readonly push?: (push: Push, member: SimMember) => Push | undefined;
  readonly frame?: (frame: Frame, from: SimMember) => Frame;
  readonly message?: (message: Message, member: SimMember) => Message | undefined;
  readonly membership?: Partial<MembershipOptions>;
  readonly distro?: Partial<DistroOptions>;
}

export interface SimHost {
  readonly net: SimNet;
  readonly random: Random;
  readonly breakage: Breakage;
  /** Something went wrong that never may. */
  fail(sentence: string): void;
  log(text: string): void;
  resolve(host: string): readonly string[];
}

/** A machine with a data folder and a list of members: all that outlives a member's process. */
export class SimMachine implements Machine {
  readonly place: string;
  readonly disk: SimDisk;
  ip: string;
  isOn = true;
  clockOffsetMs = 0;
  list: string | undefined;
  fingerprint = "f";
  starts = 0;
  member: SimMember | undefined;

  constructor(place: string, ip: string, random: Random) {
    this.place = place;
    this.ip = ip;
    this.disk = new SimDisk(random);
  }

  get address(): string {
    return `${this.ip}:${MAIN_PORT}`;
  }

  /** A new data folder: who this member is, in ids that follow from the seed. */
  install(memberId: string, clusterId: string, settled: boolean): void {
    this.disk.clear();
    const identity: Identity = {
      memberId,
      clusterId,
      settled,
      incarnation: 0,
      epoch: 0,
      group: "joins",
      peers: {},
      joined: [],
    };
    this.disk.write(`${DATA}/member.json`, JSON.stringify(identity));
  }
}

export function shownIn(hosts: unknown, host: SimHost, viewer: string): Map<string, boolean> {
  const shown = new Map<string, boolean>();
  for (const { ip, port, healthy } of hosts as readonly { ip: string; port: number; healthy: boolean }[]) {
    if (shown.has(`${ip}:${port}`)) host.fail(`AP-9: ${viewer} shows ${ip}:${port} twice`);
    shown.set(`${ip}:${port}`, healthy);
  }
  return shown;
}

export function logOf(host: SimHost, place: string) {
  const tell = (details: object, text: string): void => {
    const { err, ...rest } = details as { err?: unknown };
    host.log(`${place}: ${text} ${JSON.stringify(rest)}${err === undefined ? "" : ` ${String(err)}`}`);
  };
  return {
    debug: () => {},
    info: tell,
    warn: tell,
    error: (details: object, text: string) => {
      tell(details, text);
      // A finding of diagnosis says that something is wrong with the cluster, and not with this member.
      if ("code" in details && "key" in details) return;
      const { err } = details as { err?: Error };
      host.fail(`${place} fails: ${text} ${err?.stack ?? ""}`);
    },
  };
}
