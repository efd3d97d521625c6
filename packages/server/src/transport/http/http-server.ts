import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { RegistryError } from "@nacre/protocol";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";
import { escalate } from "../../faults.ts";
import { HTTP_LABELS, httpLabels, Timings } from "../../metrics/timings.ts";
import { type Answer, errorObject, failureAnswer } from "./answers.ts";
import { agentOf, appOf, type Call, HttpCall, headerOf, sourceIpOf } from "./call.ts";
import { type FilterSetup, gateRefusal, namespaceRefusal, paramRefusal, trafficRefusal } from "./filters.ts";
import { LargeBodies, limited } from "./large-bodies.ts";
import { letGoInTurns } from "./left-sockets.ts";
import { type Parts, partsOf } from "./multipart.ts";
import { Params } from "./params.ts";
import { pairsOf } from "./params-text.ts";
import { type Method, meant, methodsOf, type Route } from "./route.ts";
import { WaitingCalls } from "./waiting-calls.ts";

/** Connections that the system completes while the event loop is busy with others. */
const BACKLOG = 4096;
/** Forms beyond this are read in turns. */
const FORM_BYTES_AT_ONCE = 256 * 1024;
/** How long a client may take to send one request. Answers may take longer: long polls do. */
const REQUEST_MS_MAX = 60_000;

export interface HttpServerSetup extends FilterSetup {
  readonly clock: Clock;
  readonly log: Log;
  /** Blank, or a path such as `/nacos`; every route is served below it and without it. */
  readonly contextPath: string;
  readonly routes: readonly Route[];
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
  /** For tests: `app.inject` runs a request without a socket. */
  readonly app: FastifyInstance;
  readonly routes: readonly Route[];
  /** Answered requests by route, for the metrics. */
  readonly requests: Timings;
  /** @returns the port. @throws the system's error when the address cannot be used. */
  listen(address: { readonly port: number; readonly host: string }): Promise<number>;
  /** Takes nothing new, ends idle connections, lets calls finish for `graceMs`, then ends what is left. */
  close(graceMs: number): Promise<void>;
}

/** What the first hook finds out about a request, for the later ones. */
interface Arrival {
  readonly at: number;
  readonly path: string;
  readonly uri: string;
  readonly query: string;
  readonly sourceIp: string;
  readonly agent: string;
  /** As the client wrote it; blank when it says nothing. */
  readonly contentType: string;
  /** The name of the failure that the call ended with. */
  failure: string | undefined;
}

/** Carries HTTP: knows routes, families and filters, and nothing of what the routes are about. */
export function createHttpServer(setup: HttpServerSetup): HttpServer {
  const { clock, log, contextPath, routes } = setup;
  const requests = new Timings(clock, HTTP_LABELS);
  const arrivals = new WeakMap<object, Arrival>();
  const waiting = new WaitingCalls();
  const app = Fastify({
    logger: false,
    bodyLimit: setup.bodyBytesMax,
    keepAliveTimeout: setup.keepAliveMs,
    requestTimeout: REQUEST_MS_MAX,
    http: { maxHeaderSize: setup.headerBytesMax },
    // No route has a schema. Fastify would load its compilers at start all the same: a hundred files, several MB.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // Every path is served with and without the context path; one entry for both halves the work of a start.
    rewriteUrl: ({ url = "/" }) => belowContext(contextPath, url),
    frameworkErrors: (error, request, reply) => {
      const { uri } = arrivalOf(setup, request);
      send(reply as FastifyReply, errorObject(error.statusCode ?? 400, error.message, uri, clock.wall()));
    },
    routerOptions: {
      ignoreTrailingSlash: true,
      ignoreDuplicateSlashes: true,
      maxParamLength: setup.headerBytesMax,
      // Parameters are read by `Params`, which knows how 1.x clients write them.
      querystringParser: () => ({}),
    },
  });
  app.server.maxConnections = setup.connectionsMax;
  limitPerIp(app, setup.connectionsPerIpMax);
  letGoInTurns(app.server);

  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

  app.addHook("onRequest", (request, reply, done) => {
    const arrival = arrivalOf(setup, request);
    arrivals.set(request, arrival);
    // From here on only `Arrival` knows it: Fastify would refuse the types that some clients make up.
    delete request.raw.headers["content-type"];
    const refusal = trafficRefusal(setup, { ...arrival, method: request.method });
    if (refusal === undefined) done();
    else send(reply, refusal);
  });

  const large = new LargeBodies(setup.bodyBytesMax, setup.largeBodiesBytesMax);
  app.addHook("preParsing", (request, reply, payload, done) => {
    if ((request.routeOptions.bodyLimit ?? 0) <= setup.bodyBytesMax) return done(null, payload);
    const declared = request.headers["content-length"];
    if (declared === undefined) return done(null, limited(payload, setup.bodyBytesMax));
    const refusal = large.take(Number(declared), reply.raw);
    if (refusal === undefined) return done(null, payload);
    const { family } = (request.routeOptions.config as unknown as { route: Route }).route;
    send(reply, failureAnswer(family, refusal));
  });

  app.addHook("onResponse", (request, reply, done) => {
    const arrival = arrivals.get(request);
    const route = (request.routeOptions.config as { route?: Route }).route;
    const seconds = arrival === undefined ? 0 : (clock.now() - arrival.at) / 1000;
    requests.record(httpLabels(route?.path, request.method, reply.statusCode, arrival?.failure), seconds);
    done();
  });

  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const { uri } = arrivals.get(request) ?? arrivalOf(setup, request);
    const status = error.statusCode ?? 500;
    // Closing while the client still sends would reset the connection, and the answer with it. What is left of the body
    // is read and dropped, for as long as a request may take.
    if (status === 413) reply.removeHeader("connection");
    const route = (request.routeOptions.config as { route?: Route }).route;
    if (status === 413 && route !== undefined) {
      const most = request.routeOptions.bodyLimit ?? setup.bodyBytesMax;
      return void send(reply, failureAnswer(route.family, bodyTooLarge(most)));
    }
    if (status >= 500) log.error({ err: error, method: request.method, path: uri }, "a request failed");
    const message = status >= 500 ? "the server failed to handle this request" : error.message;
    send(reply, errorObject(status, message, uri, clock.wall()));
  });

  app.setNotFoundHandler((request, reply) => {
    const { path, uri } = arrivals.get(request) ?? arrivalOf(setup, request);
    const allowed = methodsAt(routes, path);
    if (allowed.length > 0) {
      reply.header("Allow", allowed.join(", "));
      const message = `Request method '${request.method}' is not supported`;
      send(reply, errorObject(405, message, uri, clock.wall()));
    } else if (path.startsWith("/v1/ns/")) {
      // SDKs take 501 for "this server is too old or too new for that call".
      send(reply, errorObject(501, `no such api:${request.method}:${uri}`, uri, clock.wall()));
    } else send(reply, errorObject(404, `nothing is served under ${uri}`, uri, clock.wall()));
  });

  for (const { method, path, all } of endpoints(routes))
    app.route({
      method,
      url: path,
      config: { route: all[0] },
      bodyLimit: bodyLimit(setup, all),
      handler: async (request, reply) => {
        const arrival = arrivals.get(request) as Arrival;
        const answer = await answerTo(setup, all, request, arrival, () => waiting.signal(reply.raw));
        // A connection that stays open would hold up the close until its idle time is over.
        if (waiting.closing) reply.header("Connection", "close");
        return send(reply, answer);
      },
    });

  return {
    app,
    routes,
    requests,
    async listen({ port, host }) {
      await app.listen({ port, host, backlog: BACKLOG });
      return (app.server.address() as AddressInfo).port;
    },
    async close(graceMs) {
      const timer = clock.schedule(graceMs, () => app.server.closeAllConnections());
      try {
        await waiting.cut();
        await app.close();
      } finally {
        timer.cancel();
      }
    },
  };
}

interface Endpoint {
  readonly method: Method;
  readonly path: string;
  /** One, or several that differ in their markers; all of one family. */
  readonly all: readonly [Route, ...Route[]];
}

function endpoints(routes: readonly Route[]): Iterable<Endpoint> {
  const found = new Map<string, Endpoint & { readonly all: [Route, ...Route[]] }>();
  for (const route of routes)
    for (const method of methodsOf(route)) {
      const key = `${method} ${route.path}`;
      const held = found.get(key);
      if (held === undefined) found.set(key, { method, path: route.path, all: [route] });
      else held.all.push(route);
    }
  return found.values();
}

function bodyLimit({ bodyBytesMax }: HttpServerSetup, routes: readonly Route[]): number {
  return Math.max(bodyBytesMax, ...routes.map((route) => route.bodyBytesMax ?? 0));
}

async function answerTo(
  setup: HttpServerSetup,
  all: Endpoint["all"],
  request: FastifyRequest,
  arrival: Arrival,
  cut: () => AbortSignal,
): Promise<Answer> {
  let [route] = all;
  try {
    const { params, call, bytes } = await arrived(request, arrival, route, cut);
    const found = meant(all, params);
    if (found === undefined) throw new RegistryError("parameterMissing", markersOf(all));
    route = found;
    // The largest of those of this path was let in, because only the parameters tell them apart.
    const most = bodyLimit(setup, [route]);
    if (bytes > most) throw bodyTooLarge(most);
    const closed = gateRefusal(setup, route, arrival.uri, setup.clock.wall());
    if (closed !== undefined) return closed;
    const refused = paramRefusal(setup, route, params) ?? namespaceRefusal(setup, route, params);
    return refused ?? (await route.handle(params, call));
  } catch (thrown) {
    escalate(thrown);
    const failure = RegistryError.from(thrown);
    arrival.failure = failure.failure;
    if (failure.failure === "serverError") {
      const err = failure.cause ?? failure;
      setup.log.error({ err, method: request.method, route: route.path }, "a request failed");
    }
    return failureAnswer(route.family, failure);
  }
}

/** The body is in the call alone from here on: a call that waits for long can let go of it. */
async function arrived(
  request: FastifyRequest,
  arrival: Arrival,
  route: Route,
  cut: () => AbortSignal,
): Promise<{ readonly params: Params; readonly call: Call; readonly bytes: number }> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  request.body = undefined;
  const { params, files } = await contentsOf(arrival, body, route);
  return { params, call: callOf(request, arrival, body, params, files, cut), bytes: body.length };
}

function markersOf(routes: readonly Route[]): string {
  return `one of these parameters is required: ${routes.map(({ marker }) => marker).join(", ")}`;
}

interface Contents {
  readonly params: Params;
  readonly files: Parts["files"];
}

const NO_FILES: Parts["files"] = new Map();

async function contentsOf({ query, contentType }: Arrival, body: Buffer, { family }: Route): Promise<Contents> {
  const type = contentType.toLowerCase();
  if (type.startsWith("multipart/") && body.length > 0) {
    const { fields, files } = await partsOf(body, contentType);
    return { params: Params.of([...pairsOf(query), ...fields], family), files };
  }
  const form = formOf(body, type);
  if (form.length > FORM_BYTES_AT_ONCE)
    return { params: await Params.readInTurns(query, form, family), files: NO_FILES };
  return { params: Params.read(query, form, family), files: NO_FILES };
}

/** The body where it is a form. Clients leave the type out, or give one that says nothing. */
function formOf(body: Buffer, contentType: string): string {
  if (body.length === 0) return "";
  const form = contentType === "" || contentType.startsWith("application/x-www-form-urlencoded");
  return form || contentType.startsWith("text/") ? body.toString("latin1") : "";
}

/** A request's target without the context path, if that is how it begins. */
function belowContext(contextPath: string, url: string): string {
  if (contextPath === "") return url;
  const mark = url.indexOf("?");
  const path = (mark === -1 ? url : url.slice(0, mark)).replace(/\/{2,}/g, "/");
  if (path !== contextPath && !path.startsWith(`${contextPath}/`)) return url;
  return (path.slice(contextPath.length) || "/") + (mark === -1 ? "" : url.slice(mark));
}

function arrivalOf({ clock, contextPath }: HttpServerSetup, { raw, originalUrl: url }: FastifyRequest): Arrival {
  const mark = url.indexOf("?");
  const uri = (mark === -1 ? url : url.slice(0, mark)).replace(/\/{2,}/g, "/");
  return {
    at: clock.now(),
    uri,
    path: belowContext(contextPath, uri),
    query: mark === -1 ? "" : url.slice(mark + 1),
    sourceIp: sourceIpOf(raw.headers, raw.socket.remoteAddress),
    agent: agentOf(raw.headers),
    contentType: headerOf(raw.headers, "content-type")?.trim() ?? "",
    failure: undefined,
  };
}

function callOf(
  { raw, method, params: segments }: FastifyRequest,
  arrival: Arrival,
  body: Buffer,
  params: Params,
  files: Parts["files"],
  cut: () => AbortSignal,
): Call {
  const { path, uri, sourceIp, agent } = arrival;
  const { headers } = raw;
  return new HttpCall({
    method,
    path,
    uri,
    sourceIp,
    agent,
    app: appOf(headers, params.text("app", "")),
    body,
    headers,
    segments: segments as Record<string, string | undefined>,
    files,
    cut,
  });
}

function send(reply: FastifyReply, { status, type, body, headers }: Answer): FastifyReply {
  return reply
    .code(status)
    .headers(headers ?? {})
    .header("Content-Type", type)
    .serializer(asItIs)
    .send(typeof body === "string" || body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false }));
}

function bodyTooLarge(most: number): RegistryError {
  return new RegistryError("bodyTooLarge", `the body of this call may have ${most} bytes at most`);
}

/** Without a serializer of its own, Fastify would name a charset in the type of JSON. */
function asItIs(body: string): string {
  return body;
}

/** The methods that some route answers at this path, for a request whose own method none does. */
function methodsAt(routes: readonly Route[], path: string): readonly Method[] {
  const segments = segmentsOf(path);
  const found = new Set<Method>();
  for (const route of routes) {
    const pattern = segmentsOf(route.path);
    if (
      pattern.length === segments.length &&
      pattern.every((part, at) => part.startsWith(":") || part === segments[at])
    )
      for (const method of methodsOf(route)) found.add(method);
  }
  return [...found];
}

function segmentsOf(path: string): readonly string[] {
  return path.split("/").filter((segment) => segment !== "");
}

function noSchemas(): never {
  throw new Error("routes are declared without schemas");
}

function limitPerIp(app: FastifyInstance, max: number): void {
  const counts = new Map<string, number>();
  app.server.on("connection", (socket) => {
    const ip = socket.remoteAddress ?? "";
    const count = (counts.get(ip) ?? 0) + 1;
    if (count > max) {
      socket.destroy();
      return;
    }
    counts.set(ip, count);
    socket.once("close", () => {
      const left = (counts.get(ip) ?? 1) - 1;
      if (left === 0) counts.delete(ip);
      else counts.set(ip, left);
    });
  });
}
