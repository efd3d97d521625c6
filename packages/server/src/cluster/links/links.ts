import type { Address, Frame, LinkId } from "@nacre/core/membership";
import type { LinksFacts, LinksSetup, LinkTls } from "./types.ts";

/** Connections between members: see DESIGN.md of the cluster, "Links" and "Calls". */
export class Links {
  constructor(setup: LinksSetup) {
    throw new Error(`not built: ${setup.portOffset}`);
  }

  /** Opens the cluster port. @returns the port. @throws the system's error, for example with code EADDRINUSE. */
  listen(_at: { readonly host: string; readonly port: number }): Promise<number> {
    throw new Error("not built");
  }

  /** Calls the member with this main address; `opened` or `connectFailed` follows within 2 s. */
  connect(_address: Address): void {
    throw new Error("not built");
  }

  /** Sends what is queued and tells the peer the reason, then closes; `closed` follows. */
  closeLink(_link: LinkId, _reason: string): void {
    throw new Error("not built");
  }

  /** Goes before everything but frames. Of a link that is gone it is lost. */
  sendFrame(_link: LinkId, _frame: Frame): void {
    throw new Error("not built");
  }

  /**
   * Queues the frames of one Distro message. Of a link that is gone, or whose queue is full, it is lost.
   * @returns whether it was queued.
   */
  sendMessage(_link: LinkId, _frames: readonly Uint8Array[]): boolean {
    throw new Error("not built");
  }

  /**
   * Asks the member at the other end.
   *
   * @throws RegistryError: that of the other member by name and sentence; `peerUnreachable` when the link is gone, closes
   * or has no answer in time, so that nobody knows whether it was done; `overThreshold` when too much waits already.
   */
  call(_link: LinkId, _name: string, _payload: unknown, _timeoutMs: number): Promise<unknown> {
    throw new Error("not built");
  }

  /** New certificates for connections that come from now on. */
  renewTls(_tls: LinkTls): void {
    throw new Error("not built");
  }

  facts(): LinksFacts {
    throw new Error("not built");
  }

  /** Closes all links and the port. */
  close(_graceMs: number): Promise<void> {
    throw new Error("not built");
  }
}
