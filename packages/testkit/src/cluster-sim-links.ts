import type { Address, Frame, LinkId } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import {
  type ClusterLinks,
  LINK_LIMITS,
  Link,
  type LinkLimits,
  type LinkShared,
  type LinksFacts,
  type LinksSetup,
  type Pipe,
} from "@nacre/server/cluster";
import type { Half, HalfListener, SimNet } from "./cluster-sim-net.ts";
import type { SimProcess } from "./cluster-sim-process.ts";

type Worker = Parameters<LinkShared["turns"]["add"]>[0];

export interface SimLinksSetup {
  readonly net: SimNet;
  readonly process: SimProcess;
  /** In place of what a sound member sends. */
  readonly frame: (frame: Frame) => Frame;
  /** A member never sends what no member sends. */
  readonly malformed: (reason: string) => void;
}

/** The links of one member over the simulated network: what `Links` does, without HTTP/2 under it. */
export class SimLinks implements ClusterLinks, LinkShared {
  readonly setup: LinksSetup;
  readonly limits: LinkLimits = LINK_LIMITS;
  readonly turns = { add: (worker: Worker) => this.#plan(worker) };
  readonly #sim: SimLinksSetup;
  readonly #links = new Map<LinkId, Link>();
  readonly #busy = new Set<Worker>();
  #isPlanned = false;
  #nextId: LinkId = 1;
  #address = "";
  #allGone: PromiseWithResolvers<void> | undefined;
  #isStopped = false;

  constructor(sim: SimLinksSetup, setup: LinksSetup) {
    this.#sim = sim;
    this.setup = setup;
  }

  async listen({ port }: { readonly port: number }): Promise<number> {
    const { net, process } = this.#sim;
    this.#address = `${process.machine.ip}:${port}`;
    net.ports.set(this.#address, { owner: process, accept: (half) => this.#accept(half) });
    const look = (): void => {
      for (const link of [...this.#links.values()]) link.look(1000);
      process.schedule(1000, look);
    };
    look();
    return port;
  }

  connect(address: Address): void {
    const { net, process } = this.#sim;
    const { handlers, portOffset } = this.setup;
    const [ip = "", port = ""] = address.split(":");
    const startedAt = process.now();
    net.dial(process, ip, Number(port) + portOffset, this.limits.connectMs, {
      failed: (error, refused) => handlers.connectFailed(address, error, refused),
      connected: (half) => {
        let link: Link | undefined;
        let isOver = false;
        const fail = (error: string): void => {
          if (isOver) return;
          isOver = true;
          handlers.connectFailed(address, error, false);
        };
        process.schedule(this.limits.connectMs - (process.now() - startedAt), () => {
          fail("it did not greet in time");
          if (link === undefined) half.destroy();
        });
        return {
          received: (batch) => {
            if (link === undefined && isOver) return;
            if (link === undefined) {
              isOver = true;
              link = this.#add(address, half);
              handlers.opened(link.id, address);
              if (this.#isStopped) link.close("this member stops");
            }
            link.received(batch as Buffer);
          },
          drained: () => link?.drained(),
          ended: (reason) => {
            fail(reason);
            link?.ended(reason);
          },
        };
      },
    });
  }

  closeLink(link: LinkId, reason: string): void {
    this.#links.get(link)?.close(reason);
  }

  sendFrame(link: LinkId, frame: Frame): void {
    this.#links.get(link)?.sendFrame(this.#sim.frame(frame));
  }

  sendMessage(link: LinkId, frames: readonly Uint8Array[]): boolean {
    return this.#links.get(link)?.sendMessage(frames) ?? false;
  }

  sendRaft(link: LinkId, frame: Uint8Array): boolean {
    return this.#links.get(link)?.sendRaft(frame) ?? false;
  }

  async call(link: LinkId, name: string, payload: unknown, timeoutMs: number): Promise<unknown> {
    const found = this.#links.get(link);
    if (found === undefined) throw new RegistryError("peerUnreachable", `call '${name}': its link is gone`);
    return found.call(name, payload, timeoutMs);
  }

  async close(): Promise<void> {
    this.#isStopped = true;
    this.#sim.net.ports.delete(this.#address);
    for (const link of this.#links.values()) link.close("this member stops");
    if (this.#links.size === 0) return;
    this.#allGone ??= Promise.withResolvers();
    await this.#allGone.promise;
  }

  gone(link: Link, reason: string): void {
    this.#links.delete(link.id);
    this.setup.handlers.closed(link.id, reason);
    if (this.#links.size === 0) this.#allGone?.resolve();
  }

  malformed(_link: Link, reason: string): void {
    this.#sim.malformed(reason);
  }

  #accept(half: Half): HalfListener {
    if (this.#isStopped) {
      half.destroy();
      return { received: () => {}, ended: () => {} };
    }
    const link = this.#add(undefined, half);
    this.setup.handlers.opened(link.id, undefined);
    return {
      received: (batch) => link.received(batch as Buffer),
      drained: () => link.drained(),
      ended: (reason) => link.ended(reason),
    };
  }

  #add(address: Address | undefined, half: Half): Link {
    const link = new Link(this, this.#nextId++, address, pipeOf(half));
    this.#links.set(link.id, link);
    return link;
  }

  /** What came over all links is handled in another turn than it came in. */
  #plan(worker: Worker): void {
    this.#busy.add(worker);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#sim.process.schedule(0, () => {
      this.#isPlanned = false;
      for (const busy of this.#busy) {
        this.#busy.delete(busy);
        if (busy.work()) this.#busy.add(busy);
      }
    });
  }

  facts(): LinksFacts {
    return { links: [], opened: 0, connectFailures: 0, malformed: 0, strangers: 0 };
  }

  renewTls(): void {
    // The simulated network has no certificates.
  }
}

function pipeOf(half: Half): Pipe {
  return {
    remoteIp: half.remoteIp,
    encrypted: false,
    get queuedBytes() {
      return half.queuedBytes;
    },
    // The sender's buffer may be used again.
    send: (batch) => half.send(Buffer.from(batch), batch.length),
    end: () => half.end(),
    destroy: () => half.destroy(),
  };
}
