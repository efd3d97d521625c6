import { type Client, findService } from "@nacre/core/naming";
import { RegistryError } from "@nacre/protocol";
import type { Members } from "../../cluster/members.ts";
import { result } from "../../transport/http/answers.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import { clientBody, markOf, publishedBy, publishersOf, subscriptionsOf } from "../bodies.ts";
import type { Naming } from "../naming.ts";
import { serviceOf } from "../operations.ts";

/** `/v3/admin/ns/client`: who publishes and subscribes, as this member knows them. */
export function clientRoutes(naming: Naming, members: Members): readonly Route[] {
  const path = "/v3/admin/ns/client";
  return [
    v3("GET", `${path}/list`, () => result([...naming.state.clients.keys()])),
    v3("GET", path, (params) => result(clientBody(clientIn(naming, params), members))),
    v3("GET", `${path}/publish/list`, (params) => {
      const client = clientIn(naming, params);
      return result(
        Array.from(publishedBy(client), ({ service, entry: { instance } }) => ({
          namespaceId: service.name.namespace,
          groupName: service.name.group,
          serviceName: service.name.name,
          publisherInfo: {
            clientId: client.id,
            ip: instance.ip,
            port: instance.port,
            clusterName: instance.cluster,
          },
          subscriberInfo: null,
        })),
      );
    }),
    v3("GET", `${path}/subscribe/list`, (params) => {
      const client = clientIn(naming, params);
      return result(
        Array.from(client.subscriptions?.keys() ?? [], ({ name: { namespace, group, name } }) => ({
          namespaceId: namespace,
          groupName: group,
          serviceName: name,
          publisherInfo: null,
          subscriberInfo: subscriberOf(client),
        })),
      );
    }),
    v3("GET", `${path}/service/publisher/list`, (params) => {
      const { service, at } = whoIn(naming, params);
      return result(
        Array.from(service === undefined ? [] : publishersOf(service, at), ({ publication, instance }) => ({
          clientId: publication.client.id,
          ip: instance.ip,
          port: instance.port,
          clusterName: instance.cluster,
          ...(service !== undefined && markOf(service, instance, members)),
        })),
      );
    }),
    v3("GET", `${path}/service/subscriber/list`, (params) => {
      const { service, at } = whoIn(naming, params);
      return result(
        Array.from(service === undefined ? [] : subscriptionsOf(service, at), ({ client }) => subscriberOf(client)),
      );
    }),
    v3("GET", `${path}/distro`, (params) => {
      const ip = params.required("ip");
      return result({ responsibleServer: members.ownerOf(ip, params.requiredInteger("port")) });
    }),
  ];
}

function subscriberOf({ id, app, agent, ip, port }: Client): Record<string, unknown> {
  return { clientId: id, appName: app, agent, address: `${ip}:${port}` };
}

/** @throws RegistryError `parameterMissing`, or `notFound` in the words of the reference. */
export function clientIn(naming: Naming, params: Params): Client {
  const id = params.bound("clientId");
  const client = naming.state.clients.get(id);
  if (client === undefined) throw new RegistryError("notFound", `clientId [ ${id.slice(0, 128)} ] not exist`);
  return client;
}

/** A service and an address to narrow by; what is absent means any. */
export function whoIn(naming: Naming, params: Params) {
  const ip = params.optional("ip")?.trim();
  const port = params.optional("port") === undefined ? undefined : params.integer("port", 0);
  return {
    service: findService(naming.state, serviceOf(params)),
    at: { ...(ip !== undefined && { ip }), ...(port !== undefined && { port }) },
  };
}
