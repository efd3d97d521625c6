import type { Index, Term } from "@nacre/core/raft";
import type { IncomingHead, IncomingSnapshot } from "../storage/snapshot-transfer.ts";
import type { Storage } from "../storage/storage.ts";

/** Parts that wait for the disk. Beyond it what comes is passed over, and sent again. Bytes. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

/** Writes the parts of a snapshot that comes, in order, and installs it when it is there. */
export class Receiver {
  readonly #storage: Pick<Storage<never, never>, "receive" | "install">;
  readonly #failed: (thrown: unknown) => void;
  #incoming: IncomingSnapshot | undefined;
  #work: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  /** A part was not written: what comes behind it is of no use until it begins again. */
  #isBroken = false;

  /** @param failed  nothing of what came counts. */
  constructor(storage: Pick<Storage<never, never>, "receive" | "install">, failed: (thrown: unknown) => void) {
    this.#storage = storage;
    this.#failed = failed;
  }

  get isFull(): boolean {
    return this.#waitingBytes > WAITING_BYTES_MAX;
  }

  write(head: IncomingHead, offset: number, chunk: Buffer): void {
    if (offset === 0) this.#isBroken = false;
    this.#waitingBytes += chunk.length;
    this.#work = this.#work.then(async () => {
      this.#waitingBytes -= chunk.length;
      if (this.#isBroken) return;
      try {
        const incoming = await this.#open(head);
        const there = await incoming.write(offset, chunk);
        if (there < offset + chunk.length) throw new Error(`a part of snapshot ${head.index} is missing`);
      } catch (thrown) {
        this.#isBroken = true;
        await this.#letGo();
        this.#failed(thrown);
      }
    });
  }

  /** @throws RegistryError see `Storage.install`. */
  async install(index: Index, term: Term): Promise<void> {
    await this.#work;
    const incoming = this.#incoming;
    // Another one may have begun to come since: it stays open, and goes on.
    if (incoming === undefined || incoming.head.index !== index || incoming.head.term !== term)
      throw new Error(`snapshot ${index} is not the one that came`);
    this.#incoming = undefined;
    await this.#storage.install(incoming);
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#letGo();
  }

  async #open(head: IncomingHead): Promise<IncomingSnapshot> {
    const { index, term, total } = head;
    const now = this.#incoming?.head;
    if (this.#incoming !== undefined && now?.index === index && now.term === term && now.total === total)
      return this.#incoming;
    await this.#letGo();
    this.#incoming = await this.#storage.receive({ index, term, total });
    return this.#incoming;
  }

  async #letGo(): Promise<void> {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    await incoming?.pause();
  }
}
