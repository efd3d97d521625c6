import type { Address, Frame, LinkId } from "@nacre/core/membership";
import { RegistryError } from "@nacre/protocol";
import { lazy } from "../../lazy.ts";
import type { Links } from "./links.ts";
import type { ClusterLinks, LinksFacts, LinksSetup, LinkTls } from "./types.ts";

const NONE: LinksFacts = { links: [], opened: 0, connectFailures: 0, malformed: 0, strangers: 0 };

/**
 * Links that are loaded with the cluster port, or with the first member to be called: who keeps that port closed and has
 * no others needs nothing of them.
 */
export class LazyLinks implements ClusterLinks {
  readonly #setup: LinksSetup;
  #tls: LinkTls | undefined;
  #links: Links | undefined;
  #isClosed = false;

  constructor(setup: LinksSetup) {
    this.#setup = setup;
    this.#tls = setup.tls;
  }

  readonly #load = lazy(async (): Promise<Links> => {
    const loaded = await import("./links.ts");
    this.#links = new loaded.Links({ ...this.#setup, ...(this.#tls !== undefined && { tls: this.#tls }) });
    return this.#links;
  });

  async listen(at: { readonly host: string; readonly port: number }): Promise<number> {
    return (await this.#load()).listen(at);
  }

  connect(address: Address): void {
    if (this.#links !== undefined) return this.#links.connect(address);
    this.#load().then(
      (links) => {
        if (!this.#isClosed) links.connect(address);
      },
      (err: unknown) => {
        this.#setup.log.error({ err, address }, "what connects members could not be loaded; it is tried again");
        this.#setup.handlers.connectFailed(address, String(err), false);
      },
    );
  }

  closeLink(link: LinkId, reason: string): void {
    this.#links?.closeLink(link, reason);
  }

  sendFrame(link: LinkId, frame: Frame): void {
    this.#links?.sendFrame(link, frame);
  }

  sendMessage(link: LinkId, frames: readonly Uint8Array[]): boolean {
    return this.#links?.sendMessage(link, frames) ?? false;
  }

  sendRaft(link: LinkId, frame: Uint8Array): boolean {
    return this.#links?.sendRaft(link, frame) ?? false;
  }

  async call(link: LinkId, name: string, payload: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#links === undefined)
      throw new RegistryError("peerUnreachable", `call '${name}' was not made: its link is gone`);
    return this.#links.call(link, name, payload, timeoutMs);
  }

  facts(): LinksFacts {
    return this.#links?.facts() ?? NONE;
  }

  renewTls(tls: LinkTls): void {
    this.#links?.renewTls(tls);
    this.#tls = tls;
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    await this.#links?.close(graceMs);
  }
}
