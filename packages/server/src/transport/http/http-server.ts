import type { RequestListener, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";
import { escalate } from "../../faults.ts";
import { lazy } from "../../lazy.ts";
import { HTTP_LABELS, httpLabels, Timings } from "../../metrics/timings.ts";
import { createServer } from "../../node-http.ts";
import { answerOf, type Exchange } from "./answering.ts";
import { type Answer, errorObject, withHeaders } from "./answers.ts";
import { type Arrival, arrivalOf } from "./arrival.ts";
import { limitPerIp, refuseMalformed } from "./connections.ts";
import { type FilterSetup, trafficRefusal } from "./filters.ts";
import { LargeBodies } from "./large-bodies.ts";
import { letGoInTurns } from "./left-sockets.ts";
import { OpenConnections } from "./open-connections.ts";
import { methodsOf, type Route } from "./route.ts";
import { type Found, Router } from "./router.ts";
import { send } from "./send.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** Connections that the system completes while the event loop is busy with others. */
const BACKLOG = 4096;
/** How long a client may take to send one request. Answers may take longer: long polls do. */
const REQUEST_MS_MAX = 60_000;

export interface HttpServerSetup extends FilterSetup {
  readonly clock: Clock;
  readonly log: Log;
  /** Blank, or a path such as `/nacos`; every route is served below it and without it. */
  readonly contextPath: string;
  readonly routes: readonly Route[];
  /** Loads the rest, with the first call that none of `routes` answers. No path is in both. */
  readonly furtherRoutes?: () => Promise<readonly Route[]>;
  readonly headerBytesMax: number;
  readonly bodyBytesMax: number;
  /** All bodies together that are larger than `bodyBytesMax`, on the routes that take such: they are held as a whole. */
  readonly largeBodiesBytesMax?: number;
  readonly keepAliveMs: number;
  /** Connections beyond these are closed as soon as they are accepted. */
  readonly connectionsMax: number;
  readonly connectionsPerIpMax: number;
}

export interface HttpServer {
  /** Answers one request; tests call it without a socket. */
  readonly listener: RequestListener;
  /** Answered requests by route, for the metrics. */
  readonly requests: Timings;
  /** @returns the port. @throws the system's error when the address cannot be used. */
  listen(address: { readonly port: number; readonly host: string }): Promise<number>;
  /** Calls go on as before, and each answer says that it is the last one of its connection: clients go elsewhere. */
  leave(): void;
  /**
   * Takes no connection any more. Calls go on over open ones, which end with their next answer, or when they are idle
   * after `idleMs`: only a client that has ended a connection itself sends nothing that nobody answers any more. Resolves
   * when none is left, or after `withinMs`.
   */
  retire(idleMs: number, withinMs: number): Promise<void>;
  /** Takes nothing new, ends idle connections, lets calls finish for `graceMs`, then ends what is left. */
  close(graceMs: number): Promise<void>;
}

/** What is served at one path and method: one route, or several that differ in their markers; all of one family. */
type Endpoint = [Route, ...Route[]];

/** Carries HTTP: knows routes, families and filters, and nothing of what the routes are about. */
export function createHttpServer(setup: HttpServerSetup): HttpServer {
  const { clock, log, contextPath, routes, furtherRoutes } = setup;
  const router = new Router<Endpoint>();
  serve(router, routes);
  const large = new LargeBodies(setup.bodyBytesMax, setup.largeBodiesBytesMax);
  const requests = new Timings(clock, HTTP_LABELS);
  const waiting = new WaitingCalls();
  let isComplete = furtherRoutes === undefined;
  let leaving = false;
  let over = false;

  const complete = lazy(async () => {
    serve(router, (await furtherRoutes?.()) ?? []);
    isComplete = true;
  });

  const server = createServer({
    keepAliveTimeout: setup.keepAliveMs,
    requestTimeout: REQUEST_MS_MAX,
    maxHeaderSize: setup.headerBytesMax,
  });
  server.maxConnections = setup.connectionsMax;
  limitPerIp(server, setup.connectionsPerIpMax);
  letGoInTurns(server);
  const open = new OpenConnections(server, clock);
  refuseMalformed(server, (status, message) => errorObject(status, message, "", clock.wall()));

  const listener: RequestListener = (request, response) => {
    const { socket } = request;
    if (!open.begun(socket)) return;
    const arrival = arrivalOf(request, contextPath, clock.now());
    const exchange = { request, response, arrival, cut: () => waiting.signal(response) };
    // Whoever went away is not counted: nothing was answered.
    response.once("finish", () => {
      const labels = httpLabels(arrival.route, arrival.method, response.statusCode, arrival.failure);
      requests.record(labels, (clock.now() - arrival.at) / 1000);
      open.answered(socket);
    });
    // Writing to a client that has just gone would be an error that nobody caught.
    response.on("error", ignore);
    void answer(exchange);
  };
  server.on("request", listener);

  /** @returns undefined when the escapes of the path are broken. */
  function foundAt({ method, path }: Arrival): Found<Endpoint> | undefined {
    try {
      return router.find(method, path);
    } catch {
      return undefined;
    }
  }

  async function answer(exchange: Omit<Exchange, "segments">): Promise<void> {
    const { response, arrival } = exchange;
    try {
      let found = foundAt(arrival);
      if (!isComplete && !over && found !== undefined && found.target === undefined) {
        await complete();
        found = foundAt(arrival);
      }
      arrival.route = found?.target?.[0].path;
      const refusal = refusalOf(arrival, found);
      if (refusal !== undefined) return await sent(response, refusal);
      const { target, segments } = found as Found<Endpoint>;
      const given = await answerOf(setup, target as Endpoint, large, { ...exchange, segments });
      if (given !== undefined) await sent(response, given);
    } catch (thrown) {
      escalate(thrown);
      log.error({ err: thrown, method: arrival.method, path: arrival.uri }, "a request failed");
      if (!response.headersSent)
        await sent(response, errorAt(arrival, 500, "the server failed to handle this request"));
    }
  }

  /** Why no route is asked. */
  function refusalOf(arrival: Arrival, found: Found<Endpoint> | undefined): Answer | undefined {
    const { method, path, uri } = arrival;
    if (over) return errorAt(arrival, 503, "this server is stopping");
    if (found === undefined) return errorAt(arrival, 400, `'${uri}' is not a valid path`);
    const refusal = trafficRefusal(setup, arrival);
    if (refusal !== undefined || found.target !== undefined) return refusal;
    if (found.allowed.length > 0) {
      const refused = errorAt(arrival, 405, `Request method '${method}' is not supported`);
      return withHeaders(refused, { Allow: found.allowed.join(", ") });
    }
    // SDKs take 501 for "this server is too old or too new for that call".
    if (path.startsWith("/v1/ns/")) return errorAt(arrival, 501, `no such api:${method}:${uri}`);
    return errorAt(arrival, 404, `nothing is served under ${uri}`);
  }

  function errorAt({ uri }: Arrival, status: number, message: string): Answer {
    return errorObject(status, message, uri, clock.wall());
  }

  function sent(response: ServerResponse, given: Answer): Promise<void> {
    return send(response, given, leaving);
  }

  return {
    listener,
    requests,
    listen: ({ port, host }) =>
      new Promise((resolve, reject) => {
        server.once("error", reject);
        server.listen({ port, host, backlog: BACKLOG }, () => {
          server.off("error", reject);
          resolve((server.address() as AddressInfo).port);
        });
      }),
    leave() {
      leaving = true;
    },
    async retire(idleMs, withinMs) {
      leaving = true;
      await waiting.cut();
      await open.shut();
      const late = Promise.withResolvers<void>();
      const timers = [clock.schedule(idleMs, () => void open.endIdle()), clock.schedule(withinMs, late.resolve)];
      await Promise.race([open.gone, late.promise]);
      for (const timer of timers) timer.cancel();
    },
    async close(graceMs) {
      const timer = clock.schedule(graceMs, () => open.destroyAll());
      try {
        leaving = true;
        await waiting.cut();
        over = true;
        await open.shut();
        await open.endIdle();
        await open.gone;
      } finally {
        timer.cancel();
        // Stops its own timer, too; one that never listened says so.
        server.close();
      }
    },
  };
}

function ignore(): void {}

function serve(router: Router<Endpoint>, routes: readonly Route[]): void {
  const endpoints = new Map<string, Endpoint>();
  for (const route of routes)
    for (const method of methodsOf(route)) {
      const key = `${method} ${route.path}`;
      const held = endpoints.get(key);
      if (held !== undefined) {
        held.push(route);
        continue;
      }
      const endpoint: Endpoint = [route];
      endpoints.set(key, endpoint);
      router.add(method, route.path, endpoint);
    }
}
