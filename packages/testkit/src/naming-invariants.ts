import assert from "node:assert/strict";
import {
  type Client,
  contentHashOf,
  type Entry,
  instanceKey,
  isOwn,
  type NamingState,
  type Service,
  shownOf,
  showsOver,
} from "@nacre/core/naming";

/** Recounts everything that naming keeps a count of, and checks that its tables agree with each other. */
export function assertNamingInvariants(state: NamingState): void {
  let instances = 0;
  let subscriptions = 0;
  for (const [id, client] of state.clients) {
    assert.equal(client.id, id);
    let ofClient = 0;
    for (const [service, publication] of client.publications) {
      assert.equal(service.publications.get(client), publication, `N1 ${id} and ${service.key} know one publication`);
      assert.equal(state.services.get(service.key), service, `${service.key} is published and in the table`);
      assert.ok(publication.entries.length > 0, `N1 ${id} publishes something for ${service.key}`);
      assert.ok(publication.counter <= client.counter, "a publication is not newer than its client");
      const keys = publication.entries.map(({ instance }) => instanceKey(instance));
      assert.equal(new Set(keys).size, keys.length, `N1 ${id} publishes no key twice for ${service.key}`);
      ofClient += keys.length;
    }
    assert.equal(client.contentHash, contentHashOf(client), `N12 contentHash of ${id}`);
    instances += ofClient;
    for (const [service, subscription] of client.subscriptions ?? []) {
      assert.equal(service.subscribers?.get(client), subscription, `${id} and ${service.key} know one subscription`);
      assert.equal(state.services.get(service.key), service, `${service.key} is subscribed and in the table`);
      subscriptions++;
    }
    if (client.kind === "address") assert.ok(ofClient > 0 || client.subscriptions?.size, `${id} is not idle`);
    if (!isOwn(state, client)) assert.ok(ofClient > 0, `N18 the copy ${id} publishes something`);
    else assert.equal(client.life.shown, "asPublished", `N19 ${id} is owned here`);
  }
  assert.equal(state.instanceCount, instances, "N12 instanceCount");
  assert.equal(state.subscriptionCount, subscriptions, "N12 subscriptionCount");
  for (const service of state.services.values()) assertService(state, service);
  assertListed(state);
  for (const client of [...state.beatsAt.keys(), ...state.uncovered.keys()])
    assert.equal(state.clients.get(client.id), client, `nothing is remembered of ${client.id} once it is forgotten`);
  assertInFlight(state);
  assert.ok(state.views.chars <= state.options.viewCharsMax || state.views.size === 1, "N16 views");
  assert.ok(state.journal.size <= state.options.journalMax, "N16 journal");
}

function assertService(state: NamingState, service: Service): void {
  const under = new Map<Entry, string>();
  for (const [key, shown] of service.hosts)
    for (let entry: Entry | undefined = shown; entry !== undefined; entry = entry.under) {
      assert.ok(!under.has(entry), `N3 ${key} is in one place`);
      under.set(entry, key);
      assert.equal(instanceKey(entry.instance), key, "N3 an entry waits under its own key");
      const below: Client | undefined = entry.under?.publication.client;
      if (below !== undefined) assert.ok(showsOver(entry.publication.client, below), `N17 ${key} is in order`);
    }
  let published = 0;
  for (const [client, { entries }] of service.publications) {
    assert.equal(state.clients.get(client.id), client, `${client.id} publishes and is in the table`);
    for (const entry of entries) assert.ok(under.has(entry), `N3 every instance of ${client.id} can come to show`);
    published += entries.length;
  }
  assert.equal(under.size, published, `N3 nothing shows in ${service.key} that nobody publishes`);
  const healthy = [...service.hosts.values()].filter((entry) => shownOf(entry).healthy).length;
  assert.equal(service.healthyCount, healthy, `N12 healthyCount of ${service.key}`);
  assert.equal(service.listed, service.metadata !== undefined || published > 0, `N11 ${service.key}`);
  for (const key of service.vanished?.keys() ?? []) {
    assert.ok(service.overrides?.has(key), "N15 only records can outlive their instance");
    assert.ok(!service.hosts.has(key), "N15 an instance that shows has not vanished");
  }
  for (const [client, { inFlight, clusters }] of service.subscribers ?? []) {
    assert.equal(state.clients.get(client.id), client, `${client.id} subscribes and is in the table`);
    if (inFlight !== 0)
      assert.equal(state.fanOuts.get(inFlight)?.service.key, service.key, `N6 a push for ${clusters}`);
  }
}

function assertInFlight(state: NamingState): void {
  const counted = new Map<number, number>();
  for (const service of state.services.values())
    for (const { inFlight } of service.subscribers?.values() ?? [])
      if (inFlight !== 0) counted.set(inFlight, (counted.get(inFlight) ?? 0) + 1);
  const held = new Map([...state.fanOuts].map(([requestId, { left }]) => [requestId, left]));
  assert.deepEqual(held, counted, "N6 pushes on their way");
}

function assertListed(state: NamingState): void {
  const listed: string[] = [];
  for (const [namespace, groups] of state.listed) {
    assert.ok(groups.size > 0, "a namespace without groups is forgotten");
    for (const [group, names] of groups) {
      assert.ok(names.size > 0, "a group without services is forgotten");
      for (const name of names.all()) listed.push(`${namespace}@@${group}@@${name}`);
    }
  }
  const expected = [...state.services.values()].filter((service) => service.listed).map(({ key }) => key);
  assert.deepEqual(listed.sort(), expected.sort(), "N11 the list of services");
}
