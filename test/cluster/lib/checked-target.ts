import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { callerOf } from "./caller.ts";
import type { MemberProcess } from "./member-process.ts";

/** A check as its target saw it. */
export interface Seen {
  readonly at: number;
  readonly member: string;
}

/** An application without an SDK that members check over HTTP, and who checks it. */
export class CheckedTarget {
  /** What it answers: 200 is healthy; one 503 may pass, three in a row do not. */
  status: 200 | 503 = 200;
  readonly seen: Seen[] = [];
  /** `ip:port` */
  address = "";
  readonly #server: Server;

  private constructor(members: () => readonly MemberProcess[]) {
    this.#server = createServer(async ({ socket }, response) => {
      const at = performance.now();
      // Not answered before it is known: the checker's end of the connection is gone afterwards.
      const running = members();
      const caller = await callerOf(
        socket,
        running.flatMap(({ pid }) => pid ?? []),
      );
      const member = running.find(({ pid }) => pid === caller);
      if (member !== undefined) this.seen.push({ at, member: member.name });
      response.writeHead(this.status).end();
    });
  }

  static async open(members: () => readonly MemberProcess[]): Promise<CheckedTarget> {
    const target = new CheckedTarget(members);
    target.#server.listen(0, "127.0.0.1");
    await once(target.#server, "listening");
    target.address = `127.0.0.1:${(target.#server.address() as AddressInfo).port}`;
    return target;
  }

  /** Who has checked it since. */
  by(since: number): string[] {
    return [...new Set(this.seen.filter(({ at }) => at >= since).map(({ member }) => member))];
  }

  close(): void {
    this.#server.close();
  }
}
