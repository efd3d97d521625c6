import { type Head, headOf } from "@nacre/core/distro";
import { type ClientNews, contentsOf, servicesOf } from "@nacre/core/naming";
import type { ServiceName } from "@nacre/protocol";
import type { Clock } from "../clock.ts";
import type { Log } from "../connections/connections.ts";
import type { Naming } from "../naming/naming.ts";
import type { Files } from "../storage/files.ts";
import { type ClientJournal, type Kept, openClientJournal } from "./client-journal.ts";
import { copiesOf } from "./copy-slices.ts";
import type { DistroRunner, NamingEffect } from "./distro-runner.ts";

export interface ClientWordsParts {
  readonly clock: Clock;
  readonly naming: Naming;
  readonly memberId: string;
  readonly distro: () => DistroRunner;
}

/** What is said of clients between naming, Distro and the journal: see DESIGN.md, "Naming and Distro". */
export class ClientWords {
  readonly #parts: ClientWordsParts;
  #journal: ClientJournal | undefined;

  constructor(parts: ClientWordsParts) {
    this.#parts = parts;
  }

  /** Reads what this member knew in its last life. @returns the heads of what was read, for Distro. */
  async open(directory: string, log: Log, files: Files | undefined): Promise<readonly Head[]> {
    const { clock, naming, memberId, distro } = this.#parts;
    const recovered: Head[] = [];
    this.#journal = await openClientJournal({
      directory,
      self: memberId,
      clock,
      log,
      tombstoneMs: distro().state.options.tombstoneMs,
      ...(files && { files }),
      keptOf: (id, services) => this.#keptOf(id, services),
      servicesOf: (id, moreThan) => servicesOf(naming.state, id, moreThan),
      restore: (kept) => {
        const { contents, ...head } = kept;
        const { id: clientId, kind, version } = head;
        if (contents !== undefined) naming.submit({ type: "copy", clientId, kind, version, contents });
        recovered.push(head);
      },
    });
    return recovered;
  }

  async close(): Promise<void> {
    await this.#journal?.close();
  }

  hear(news: ClientNews): void {
    switch (news.type) {
      case "clientChanged": {
        const { clientId, services } = news;
        this.#parts.distro().feed({ ...news, type: "changed" });
        return this.#journal?.note(clientId, services);
      }
      case "clientRemoved":
        this.#parts.distro().feed({ type: "removed", clientId: news.clientId, cause: news.cause });
        return this.#journal?.note(news.clientId);
      case "clientSuperseded":
        return this.#parts.distro().feed({ type: "superseded", clientId: news.clientId });
      case "copyDiffers":
        if (news.part === true || !this.#isBehind(news.clientId))
          this.#parts.distro().feed({ ...news, type: "applied" });
        // What a newer client took along of it is not to come back at the next start.
        return this.#journal?.note(news.clientId);
    }
  }

  /** Naming is given a huge client in slices, and a newer version of this one waits behind that: it says nothing of it. */
  #isBehind(clientId: string): boolean {
    const client = this.#parts.naming.state.clients.get(clientId);
    const entry = this.#parts.distro().state.table.get(clientId);
    return client !== undefined && entry !== undefined && client.counter !== entry.version.counter;
  }

  /** @returns what is left to do of it, slice by slice. */
  tellNaming(effect: NamingEffect): Iterator<unknown> | undefined {
    const { naming } = this.#parts;
    switch (effect.type) {
      case "apply":
        return this.#tellCopies(effect);
      case "forget":
        naming.submit({ ...effect, type: "forgetCopy" });
        this.#journal?.note(effect.clientId);
        return undefined;
      case "renumber":
        naming.submit(effect);
        this.#journal?.note(effect.clientId, []);
        return undefined;
      default:
        naming.submit(effect);
        return undefined;
    }
  }

  *#tellCopies(effect: Extract<NamingEffect, { type: "apply" }>): Generator<undefined> {
    for (const copy of copiesOf(effect)) {
      this.#parts.naming.submit(copy);
      if (copy.slice !== undefined) yield;
    }
    // It may have been this member's own: what another one owns by now is not to come back at the next start.
    this.#journal?.note(effect.clientId);
  }

  /** What the journal is to remember of a client: what this member's own present or earlier life says of it. */
  #keptOf(id: string, services?: readonly ServiceName[]): Kept | undefined {
    const { clock, naming, memberId, distro } = this.#parts;
    const entry = distro().state.table.get(id);
    if (entry === undefined || entry.version.owner !== memberId) return undefined;
    const head = headOf(entry, clock.now());
    if (entry.gone !== undefined) return head;
    const contents = contentsOf(naming.state, id, services);
    return contents === undefined ? undefined : { ...head, contents };
  }
}
