/** The configuration scenarios, for both Node clients; what differs between them stands in an adapter. */
import { createHash } from "node:crypto";
import { ask, eventually, type Scenarios } from "./kit.ts";

const MANY = 3000;
/** Listeners that are added at a time. */
const LISTENING = 50;

/** What a listener was told last; undefined before it was called. */
export interface Heard {
  latest: string | null | undefined;
}

export interface ConfigAdapter<Client> {
  readonly largeBytes: number;
  /** How many of many change: fewer for a client that reads what has changed slowly. */
  readonly manyChanged: number;
  /** It says when a configuration comes or goes; else only that one has changed. */
  readonly hearsExistence: boolean;
  /** Within this it hears of what changed while it had no connection. */
  readonly reconnectSeconds: number;
  connect(namespace?: string): Promise<Client>;
  put(client: Client, dataId: string, content: string): Promise<boolean>;
  /** Null when there is none. */
  get(client: Client, dataId: string): Promise<string | null>;
  remove(client: Client, dataId: string): Promise<boolean>;
  /** Resolves when the server knows that the client listens; of what is there already the listener may be told. */
  hear(client: Client, dataId: string, namespaceId?: string): Promise<Heard>;
}

export async function configScenarios<Client>(adapter: ConfigAdapter<Client>): Promise<Scenarios> {
  const publisher = await adapter.connect();
  const reader = await adapter.connect();

  const put = async (dataId: string, content: string, client = publisher) => {
    same(`publish ${dataId}`, true, await adapter.put(client, dataId, content));
    await ask("settled");
  };
  const remove = async (dataId: string) => {
    same(`remove ${dataId}`, true, await adapter.remove(publisher, dataId));
    await ask("settled");
  };
  const reads = async (dataId: string, want: string | null, client = reader) =>
    same(dataId, want, await adapter.get(client, dataId));
  const hears = (heard: Heard, what: string, want: string | null, seconds = 20) =>
    eventually(seconds, `heard: ${what}`, want, () => heard.latest as string | null);
  const shown = async (dataId: string) => ask("show", { dataId });

  return {
    async "config-publish"() {
      await put("publish", "a: 1");
      same("over HTTP", md5("a: 1"), (await shown("publish")).md5);
      await reads("publish", "a: 1");
      await reads("publish-nothing", null);
      return "";
    },

    async "config-listen"() {
      const listening = await adapter.connect();
      if (!adapter.hearsExistence) await put("listen", "zero");
      const heard = await adapter.hear(listening, "listen");
      await put("listen", "one");
      await hears(heard, "added", "one");
      await ask("put", { dataId: "listen", content: "two" });
      await hears(heard, "changed", "two");
      if (adapter.hearsExistence) {
        await remove("listen");
        await hears(heard, "removed", null);
      }
      await ask("put", { dataId: "listen", content: "three" });
      await hears(heard, "added again", "three");
      return adapter.hearsExistence
        ? ""
        : "changes only: this client says nothing of one added, and all calls of its process hang after one was removed";
    },

    async "config-contents"() {
      const contents = (await ask("contents")).contents as { name: string; text: string }[];
      for (const { name, text } of contents) {
        await put(`contents-${name}`, text);
        same(`${name} over HTTP`, md5(text), (await shown(`contents-${name}`)).md5);
        await reads(`contents-${name}`, text);
        await ask("put", { dataId: `from-outside-${name}`, content: text });
        await reads(`from-outside-${name}`, text);
      }
      return `${contents.length} contents`;
    },

    async "config-large"() {
      const text = "0123456789".repeat(adapter.largeBytes / 10 + 1).slice(0, adapter.largeBytes);
      await put("large", "small");
      const heard = await adapter.hear(await adapter.connect(), "large");
      await put("large", text);
      same("over HTTP", md5(text), (await shown("large")).md5);
      await eventually(30, "a listener hears of it", text.length, () => heard.latest?.length ?? 0);
      await ask("putLarge", { dataId: "large-from-outside", bytes: adapter.largeBytes });
      same("from outside", md5(text), md5((await adapter.get(reader, "large-from-outside")) ?? ""));
      return `${adapter.largeBytes} bytes`;
    },

    async "config-many"() {
      await ask("putMany", { dataId: "many", count: MANY, content: "first" });
      const listening = await adapter.connect();
      const heard: Heard[] = [];
      for (let start = 0; start < MANY; start += LISTENING) {
        const dataIds = Array.from({ length: LISTENING }, (_, i) => `many-${start + i}`);
        heard.push(...(await Promise.all(dataIds.map((dataId) => adapter.hear(listening, dataId)))));
      }
      const startedAt = performance.now();
      await ask("putMany", { dataId: "many", count: adapter.manyChanged, content: "changed" });
      await eventually(
        90,
        "all hear of their change",
        adapter.manyChanged,
        () => heard.filter(({ latest }, i) => latest === `changed-${i}`).length,
      );
      const heardMs = Math.round(performance.now() - startedAt);
      const some = adapter.manyChanged < MANY ? `${adapter.manyChanged} of them changed, ` : "";
      return `${some}written and heard in ${heardMs} ms`;
    },

    async "config-beta"() {
      await put("beta", "formal");
      // The address by which the server knows this client.
      const { ip } = await ask("history", { dataId: "beta" });
      const heard = await adapter.hear(await adapter.connect(), "beta");
      await ask("put", { dataId: "beta", content: "not for me", betaIps: "10.99.99.99" });
      await reads("beta", "formal");
      await ask("put", { dataId: "beta", content: "for me", betaIps: `10.99.99.99,${ip}` });
      await hears(heard, "a beta version for this client", "for me");
      await reads("beta", "for me");
      await ask("put", { dataId: "beta", content: "not for me", betaIps: "10.99.99.99" });
      await hears(heard, "the formal one again", "formal");
      return `for ${ip}`;
    },

    async "config-tenants"() {
      const [blank, named, green] = [
        await adapter.connect(""),
        await adapter.connect("public"),
        await adapter.connect("green"),
      ];
      await put("tenants", "of public");
      await put("tenants", "of green", green);
      await reads("tenants", "of public", named);
      await reads("tenants", "of green", green);
      const heardGreen = await adapter.hear(green, "tenants", "green");
      const heardBlank = await adapter.hear(blank, "tenants");
      const heardNamed = await adapter.hear(named, "tenants");
      // Both have one address: a call that comes after shows that the second listens, too.
      await reads("tenants-nothing", null, named);
      const greenBefore = heardGreen.latest;
      await ask("put", { dataId: "tenants", content: "changed" });
      await hears(heardBlank, "written as blank", "changed");
      await hears(heardNamed, "written as public", "changed", adapter.reconnectSeconds);
      same("another, left alone", greenBefore, heardGreen.latest);
      await put("tenants", "green changed", green);
      await hears(heardGreen, "another", "green changed");
      return "";
    },

    async "config-remove"() {
      await put("remove", "there");
      await reads("remove", "there");
      await remove("remove");
      same("over HTTP", false, (await shown("remove")).found);
      await reads("remove", null);
      await remove("remove");
      return "";
    },

    async "config-type"() {
      await ask("put", { dataId: "type", content: '{"a":1}', type: "json" });
      await put("type", '{"a":2}');
      const { md5: written, type } = await shown("type");
      same("what came", md5('{"a":2}'), written);
      same("its type still", "json", type);
      return "";
    },

    async "config-history"() {
      await put("history", "one");
      await put("history", "two");
      await remove("history");
      const { ops, ip, own } = await ask("history", { dataId: "history" });
      same("operations", "I U D", ops);
      same(`an address of this machine: ${ip}`, true, own);
      return `by ${ip}`;
    },

    async "config-restart"() {
      await put("restart", "before");
      const heard = await adapter.hear(await adapter.connect(), "restart");
      await ask("put", { dataId: "restart", content: "listening" });
      await hears(heard, "before", "listening");
      await ask("restart");
      await ask("put", { dataId: "restart", content: "right after" });
      const restartedAt = performance.now();
      await hears(heard, "right after the restart", "right after", adapter.reconnectSeconds);
      const heardMs = Math.round(performance.now() - restartedAt);
      await ask("put", { dataId: "restart", content: "later" });
      await hears(heard, "later", "later", adapter.reconnectSeconds);
      await reads("restart", "later");
      return `heard after ${heardMs} ms`;
    },
  };
}

function same(what: string, want: unknown, got: unknown): void {
  if (got !== want) throw new Error(`${what}: want <${want}>, not <${got}>`);
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}
