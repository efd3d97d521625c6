import { createHash } from "node:crypto";
import { networkInterfaces } from "node:os";
import { CONTENTS } from "./contents.ts";
import type { Served } from "./served.ts";

const API = "/nacos/v3/admin/cs";
const DEFAULT_GROUP = "DEFAULT_GROUP";
const LOOKS = new Set(["show", "history"]);
const CHANGES = new Set(["put", "putLarge", "putMany", "remove", "settled"]);
/** Requests at a time where many configurations are written. */
const WRITERS = 16;

/** What a program asks of the second party; which fields count depends on `ask`. */
export interface Asked {
  readonly ask: string;
  readonly dataId?: string;
  readonly group?: string;
  readonly namespaceId?: string;
  readonly content?: string;
  readonly type?: string;
  readonly betaIps?: string;
  readonly tag?: string;
  readonly count?: number;
  readonly bytes?: number;
}

type Reply = Readonly<Record<string, unknown>>;

/**
 * The second party of the configuration scenarios: writes and looks at configurations over the HTTP API v3, which no
 * client has a hand in, and kills the server.
 *
 * | ask | does | answers |
 * |---|---|---|
 * | `restart` | kills the server and starts it again on the same folder and ports | |
 * | `put` | publishes `content`; with `betaIps` or `tag` a gray version | |
 * | `putLarge` | publishes `bytes` bytes of {@link largeText} | |
 * | `putMany` | publishes `count` configurations `<dataId>-<i>` with content `<content>-<i>` | |
 * | `remove` | removes | |
 * | `show` | looks at one | `found`, `md5`, `type`, `content` (up to 64 kB) |
 * | `history` | lists its history, oldest first | `ops`, `ip`, `own`: the address is one of this machine |
 * | `listening` | looks who listens to one | `clients`: how many addresses |
 * | `settled` | waits until all members show what was written at any of them; so do looks, and what it writes itself | |
 * | `contents` | | `contents`: `name` and `text` of those in contents.ts |
 */
export class Outside {
  readonly #server: Served;

  constructor(server: Served) {
    this.#server = server;
  }

  async answer(asked: Asked): Promise<Reply> {
    if (LOOKS.has(asked.ask)) await this.#server.settled();
    const reply = await this.#answer(asked);
    if (CHANGES.has(asked.ask)) await this.#server.settled();
    return reply;
  }

  async #answer(asked: Asked): Promise<Reply> {
    switch (asked.ask) {
      case "settled":
        return {};
      case "restart":
        await this.#server.killAndRestart();
        return {};
      case "put":
        return this.#put(asked, asked.content ?? "");
      case "putLarge":
        return this.#put(asked, largeText(asked.bytes ?? 0));
      case "putMany":
        return this.#putMany(asked);
      case "remove":
        await this.#call("DELETE", "/config", nameOf(asked));
        return {};
      case "show":
        return this.#show(asked);
      case "history":
        return this.#history(asked);
      case "listening":
        return this.#listening(asked);
      case "contents":
        return { contents: CONTENTS };
      default:
        throw new Error(`nobody knows how to ${asked.ask}`);
    }
  }

  async #put(asked: Asked, content: string): Promise<Reply> {
    const { type, tag, betaIps } = asked;
    const fields = { ...nameOf(asked), content, ...(type && { type }), ...(tag && { tag }) };
    await this.#call("POST", "/config", fields, betaIps ? { betaIps } : {});
    return {};
  }

  async #putMany(asked: Asked): Promise<Reply> {
    const { count = 0, dataId, content } = asked;
    let next = 0;
    const write = async () => {
      for (let i = next++; i < count; i = next++)
        await this.#put({ ...asked, dataId: `${dataId}-${i}` }, `${content}-${i}`);
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
    return {};
  }

  async #show(asked: Asked): Promise<Reply> {
    const answer = await this.#fetch("GET", "/config", nameOf(asked));
    if (answer.status === 404) return { found: false };
    const { md5, type, content } = (await dataOf(answer, "GET /config")) as Record<"md5" | "type" | "content", string>;
    const counted = md5Of(content);
    if (counted !== md5) throw new Error(`the server says md5 ${md5} of a content whose md5 is ${counted}`);
    return { found: true, md5, type, content: content.length > 65_536 ? "" : content };
  }

  async #history(asked: Asked): Promise<Reply> {
    const page = await this.#call("GET", "/history/list", { ...nameOf(asked), pageNo: "1", pageSize: "100" });
    const { pageItems } = page as { pageItems: { opType: string; srcIp: string }[] };
    const rows = pageItems.toReversed();
    const ips = new Set(rows.map(({ srcIp }) => srcIp));
    const ip = [...ips].join(" ");
    return { ops: rows.map(({ opType }) => opType.trim()).join(" "), ip, own: OWN_ADDRESSES.has(ip) };
  }

  async #listening(asked: Asked): Promise<Reply> {
    const listeners = await this.#call("GET", "/config/listener", nameOf(asked));
    return { clients: Object.keys((listeners as { listenersStatus: object }).listenersStatus).length };
  }

  async #call(method: string, path: string, fields: Fields, headers: Fields = {}): Promise<unknown> {
    return dataOf(await this.#fetch(method, path, fields, headers), `${method} ${path}`);
  }

  #fetch(method: string, path: string, fields: Fields, headers: Fields = {}): Promise<Response> {
    const form = new URLSearchParams(fields);
    const url = `http://${this.#server.address}${API}${path}`;
    return method === "POST"
      ? fetch(url, { method, headers, body: form })
      : fetch(`${url}?${form}`, { method, headers });
  }
}

/** ASCII text of `bytes` bytes, the same in every program. */
export function largeText(bytes: number): string {
  return "0123456789".repeat(Math.ceil(bytes / 10)).slice(0, bytes);
}

type Fields = Record<string, string>;

const OWN_ADDRESSES = new Set(
  Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []),
);

function nameOf({ dataId = "", group = DEFAULT_GROUP, namespaceId = "public" }: Asked): Fields {
  return { dataId, groupName: group, namespaceId };
}

async function dataOf(answer: Response, what: string): Promise<unknown> {
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${what}: ${answer.status} ${text.slice(0, 500)}`);
  return (JSON.parse(text) as { data: unknown }).data;
}

function md5Of(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
