import { type Subscription, subscribersOf } from "@nacre/core/naming";
import { type Field, integer, list, object, optionalText, type ServiceName, text } from "@nacre/protocol";
import type { Page } from "../cluster/peer-calls.ts";
import type { Naming } from "./naming.ts";

/** Who subscribes to what, as members tell each other: each knows those that are connected to it, and nobody else. */
export interface Subscriber {
  readonly service: ServiceName;
  readonly ip: string;
  readonly port: number;
  readonly agent: string;
  readonly app: string;
  readonly clusters: string;
}

const PAGE_ITEMS = 500;

const serviceField = object({ namespace: text(), group: text(), name: text() });
const question = object({ service: serviceField, from: integer(0) });
const subscriberField = object({
  service: serviceField,
  ip: text(),
  port: integer(0),
  agent: text(),
  app: text(),
  clusters: text(),
});
/** What a member answers. */
export const subscriberPageField: Field<Page<Subscriber>> = object({
  items: list(subscriberField, PAGE_ITEMS),
  next: optionalText(),
});

export function subscriberOf({ client, service, clusters }: Subscription): Subscriber {
  const { ip, port, agent, app } = client;
  return { service: service.name, ip, port, agent, app, clusters };
}

/** Answers another member. Subscribers that come and go between two pages may be missed or told twice. */
export function subscriberPage(naming: Naming, given: unknown): Page<Subscriber> {
  const { service, from } = question.read(given, "");
  const found = subscribersOf(naming.state, service, false);
  const to = from + PAGE_ITEMS;
  return { items: found.slice(from, to).map(subscriberOf), next: to < found.length ? String(to) : undefined };
}
