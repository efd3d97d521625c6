import type { Client } from "@nacre/core/naming";
import type { Members } from "../../cluster/members.ts";
import { result } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v2 } from "../../transport/http/rows.ts";
import { clientBody, publishedBy, publishersOf, subscriptionsOf } from "../bodies.ts";
import { clientIn, whoIn } from "../http-v3-admin/client.ts";
import type { Naming } from "../naming.ts";

/** `/v2/ns/client`: as in v3, with other names for the fields. */
export function clientRoutes(naming: Naming, members: Members): readonly Route[] {
  const path = "/v2/ns/client";
  const admin = "/v3/admin/ns/client";
  const get = (below: string, data: (params: Params) => unknown): Route =>
    v2("GET", `${path}${below}`, "admin", `GET ${admin}${below}`, (params) => result(data(params)));
  return [
    get("/list", () => [...naming.state.clients.keys()]),
    get("", (params) => clientBody(clientIn(naming, params), members)),
    get("/publish/list", (params) =>
      Array.from(publishedBy(clientIn(naming, params)), ({ service, entry: { instance } }) => ({
        namespace: service.name.namespace,
        group: service.name.group,
        serviceName: service.name.name,
        registeredInstance: { ip: instance.ip, port: instance.port, cluster: instance.cluster },
      })),
    ),
    get("/subscribe/list", (params) => {
      const client = clientIn(naming, params);
      return Array.from(client.subscriptions?.keys() ?? [], ({ name: { namespace, group, name } }) => ({
        namespace,
        group,
        serviceName: name,
        subscriberInfo: subscriberOf(client),
      }));
    }),
    get("/service/publisher/list", (params) => {
      const { service, at } = whoIn(naming, params);
      return Array.from(service === undefined ? [] : publishersOf(service, at), ({ publication, instance }) => ({
        ip: instance.ip,
        port: instance.port,
        cluster: instance.cluster,
        clientId: publication.client.id,
      }));
    }),
    get("/service/subscriber/list", (params) => {
      const { service, at } = whoIn(naming, params);
      return Array.from(service === undefined ? [] : subscriptionsOf(service, at), ({ client: { id, ip, port } }) => ({
        clientId: id,
        ip,
        port,
      }));
    }),
  ];
}

function subscriberOf({ app, agent, ip, port }: Client): Record<string, unknown> {
  return { app, agent, addr: `${ip}:${port}` };
}
