import assert from "node:assert/strict";
import type { Contents, Version } from "@nacre/core/distro";
import {
  addressId,
  contentsOf,
  type Effect,
  type Event,
  type InstanceInput,
  isOwn,
  newNaming,
  step,
} from "@nacre/core/naming";
import type { ServiceName } from "@nacre/protocol";
import { instance, type NamingBench, service } from "./naming-bench.ts";
import { HEARTBEATS, type NamingModel } from "./naming-model.ts";
import type { Random } from "./random.ts";

export const SERVICES = [
  service("orders"),
  service("stock"),
  service("users", "OTHER"),
  service("mails", "OTHER", "dev"),
];
/** Few addresses, so that clients often publish the same ones. */
export const ADDRESSES = ["10.0.0.1:80", "10.0.0.1:81", "10.0.0.2:80", "10.0.0.3:80"];
const COPIES = ["x1", "x2", "x3"];
const OWNERS = ["m1", "m2", "here"];

/** One event, what it does to the model, and whether it may make a revision although all looks the same after it. */
interface Told {
  readonly event: Event;
  readonly act: () => void;
  readonly mayTouch?: boolean;
}

type Published = readonly (readonly [ServiceName, readonly InstanceInput[]])[];

/** What peers say, and what they would believe from what they are told. */
export class SimDistro {
  readonly #random: Random;
  readonly #bench: NamingBench;
  readonly #model: NamingModel;
  /** What was told of each client that is owned here. */
  readonly #told = new Map<string, { readonly counter: number; readonly contentHash: number }>();
  /** What was last given for each copy. */
  readonly #given = new Map<string, { readonly version: Version; readonly contents: Contents; published: Published }>();

  constructor(random: Random, bench: NamingBench, model: NamingModel) {
    this.#random = random;
    this.#bench = bench;
    this.#model = model;
  }

  next(): Told {
    const draw = this.#random.next();
    if (draw < 0.25) return this.#copy();
    if (draw < 0.5) return this.#part();
    if (draw < 0.65) return this.#forget();
    if (draw < 0.8) return this.#mark();
    if (draw < 0.9) return this.#expect();
    return this.#renumber();
  }

  /** Takes in what the step told, and compares it with what is true. */
  hear(effects: readonly Effect[]): void {
    const { state } = this.#bench;
    const heard = new Set<string>();
    for (const effect of effects) {
      if (effect.type !== "clientChanged" && effect.type !== "clientRemoved") {
        if (effect.type === "clientSuperseded")
          assert.ok(this.#model.isCovered(effect.clientId), `N17 ${effect.clientId} is still needed`);
        continue;
      }
      assert.ok(!heard.has(effect.clientId), `N20 ${effect.clientId} is told once per step`);
      heard.add(effect.clientId);
      if (effect.type === "clientRemoved") this.#told.delete(effect.clientId);
      else this.#told.set(effect.clientId, effect);
    }
    for (const [id, client] of state.clients) {
      if (client.kind === "persistent" || client.publications.size === 0) continue;
      if (!isOwn(state, client)) {
        assert.ok(this.#model.copies.has(id), `${id} is a copy`);
        this.#told.delete(id);
        const { version } = this.#given.get(id) ?? assert.fail();
        assert.deepEqual([client.life.memberId, client.counter], [version.owner, version.counter], `N18 ${id}`);
        continue;
      }
      const told = this.#told.get(id);
      assert.deepEqual(
        [told?.counter, told?.contentHash],
        [client.counter, client.contentHash],
        `N20 what peers know of ${id}`,
      );
    }
    for (const id of this.#told.keys()) assert.ok(state.clients.get(id)?.publications.size, `N20 ${id} is there`);
  }

  #anyCopy(): string {
    const addresses = ADDRESSES.map((address) => {
      const [ip = "", port] = address.split(":");
      return addressId(ip, Number(port));
    });
    return this.#random.pick([...COPIES, ...addresses]);
  }

  #copy(): Told {
    const random = this.#random;
    const { state, now } = this.#bench;
    const clientId = this.#anyCopy();
    const before = this.#given.get(clientId);
    const held = state.clients.get(clientId);
    const again = before !== undefined && held !== undefined && !isOwn(state, held) && random.chance(0.2);
    const address = clientId.includes("#");
    const published = again
      ? before.published
      : random.some(SERVICES).map((name): [ServiceName, InstanceInput[]] => {
          const at = address ? [clientId.split("#")[0] as string] : random.some([...ADDRESSES, ...ADDRESSES]);
          return [name, at.map((one) => this.#input(one))];
        });
    const counter = Math.max(before?.version.counter ?? 0, held?.counter ?? 0) + 1;
    const version = again ? before.version : { owner: random.pick(OWNERS), incarnation: 0, counter };
    const createdAt = again ? before.contents.createdAt : now + random.below(20_000) - 10_000;
    const contents = toContents(published, createdAt);
    const kind = address ? "address" : "connection";
    return {
      event: { type: "copy", clientId, kind, version, contents },
      // It changes its place before it changes its contents.
      mayTouch: held !== undefined && held.createdAt !== createdAt,
      act: () => {
        this.#given.set(clientId, { version, contents, published });
        // Who gives a client away knows it.
        this.#told.delete(clientId);
        this.#model.copy(clientId, createdAt, published, !again, now);
      },
    };
  }

  /** A copy changes for some services. What comes of it is what the whole would have led to. */
  #part(): Told {
    const random = this.#random;
    const { state, now } = this.#bench;
    const clientId = this.#anyCopy();
    const before = this.#given.get(clientId);
    const held = state.clients.get(clientId);
    const whole = before && hashOf(before);
    // A bound kept something out, or it is owned here by now: Distro would not give a part.
    if (before === undefined || held === undefined || isOwn(state, held) || held.contentHash !== whole)
      return this.#copy();
    const { createdAt } = before.contents;
    const changed = random.some(SERVICES).map((name): readonly [ServiceName, readonly InstanceInput[]] => {
      const at = held.kind === "address" ? [clientId.split("#")[0] as string] : random.some(ADDRESSES);
      return [name, random.chance(0.3) ? [] : at.map((one) => this.#input(one))];
    });
    const others = before.published.filter(([name]) => !changed.some(([other]) => other === name));
    const published = [...others, ...changed.filter(([, inputs]) => inputs.length > 0)];
    if (published.length === 0) return this.#copy();
    const fits = random.chance(0.9);
    const version = { ...before.version, counter: before.version.counter + 1 };
    const given = { version, contents: toContents(published, createdAt), published };
    const base = { counter: before.version.counter - (fits ? 0 : 1), contentHash: whole };
    // What makes room first, as a whole does.
    const parts = changed.toSorted(([, a], [, b]) => Math.sign(a.length) - Math.sign(b.length));
    return {
      event: {
        type: "copy",
        clientId,
        kind: held.kind === "address" ? "address" : "connection",
        version,
        contents: toContents(parts, createdAt),
        part: { base, contentHash: hashOf(given) ?? 0 },
      },
      act: () => {
        if (!fits) return;
        this.#given.set(clientId, given);
        this.#model.copy(clientId, createdAt, published, true, now);
      },
    };
  }

  #input(address: string): InstanceInput {
    const random = this.#random;
    return instance(address, {
      healthy: random.chance(0.8),
      clusterName: random.pick(["", "", "A"]),
      metadata: { ...random.pick(HEARTBEATS), ...(random.chance(0.3) && { zone: random.pick(["x", "y"]) }) },
    });
  }

  #forget(): Told {
    const clientId = this.#anyCopy();
    const cause = this.#random.pick(["removed", "deregistered", "lost", "superseded"] as const);
    return {
      event: { type: "forgetCopy", clientId, cause, owner: "m1" },
      act: () => {
        this.#told.delete(clientId);
        this.#model.forget(clientId, cause === "deregistered");
      },
    };
  }

  #mark(): Told {
    const clientIds = [this.#anyCopy(), this.#anyCopy()];
    const as = this.#random.pick(["unconfirmed", "unhealthy", "trusted"] as const);
    return {
      event: { type: "mark", clientIds, as },
      act: () => {
        for (const id of clientIds) this.#model.mark(id, as === "trusted" ? "asPublished" : as);
      },
    };
  }

  #expect(): Told {
    const clientId = this.#anyCopy();
    const { now } = this.#bench;
    if (!clientId.includes("#")) return this.#mark();
    if (this.#random.chance(0.4))
      return {
        event: { type: "handOver", clientIds: [clientId], to: "m1" },
        act: () => this.#model.handOver(clientId),
      };
    return {
      event: { type: "takeOver", clientIds: [clientId] },
      act: () => this.#model.takeOver(clientId, now),
    };
  }

  #renumber(): Told {
    const { state } = this.#bench;
    const own = [...state.clients.values()].filter(
      (client) => client.kind !== "persistent" && isOwn(state, client) && contentsOf(state, client.id) !== undefined,
    );
    if (own.length === 0) return this.#copy();
    const { id, counter, contentHash } = this.#random.pick(own);
    const version = { owner: "here", incarnation: 1, counter: counter + 10 };
    return {
      event: { type: "renumber", clientId: id, version },
      act: () => this.#told.set(id, { counter: version.counter, contentHash }),
    };
  }
}

function toContents(published: Published, createdAt: number): Contents {
  return {
    ip: "10.9.0.3",
    port: 3,
    app: "",
    agent: "",
    createdAt,
    publications: published.map(([service, inputs]) => ({
      service,
      instances: inputs.map(({ clusterName, instanceId: _, ...rest }) => ({
        ...rest,
        cluster: clusterName === "" ? "DEFAULT" : clusterName,
        instanceId: undefined,
      })),
    })),
  };
}

/** The hash that these contents have where nothing is in their way. */
function hashOf({ version, contents }: { readonly version: Version; readonly contents: Contents }): number | undefined {
  const state = newNaming({}, 1, 0, "elsewhere");
  step(state, { type: "copy", clientId: "x", kind: "connection", version, contents }, 0);
  return state.clients.get("x")?.contentHash;
}
