import type { IncomingMessage, ServerResponse } from "node:http";
import { RegistryError } from "@nacre/protocol";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../connections/connections.ts";
import { escalate } from "../../faults.ts";
import { turn } from "../../storage/turn.ts";
import { type Answer, failureAnswer } from "./answers.ts";
import type { Arrival } from "./arrival.ts";
import { appOf, type Call, HttpCall } from "./call.ts";
import type { Family } from "./family.ts";
import { type FilterSetup, gateRefusal, namespaceRefusal, paramRefusal } from "./filters.ts";
import type { LargeBodies } from "./large-bodies.ts";
import { type Parts, partsOf } from "./multipart.ts";
import { Params } from "./params.ts";
import { pairsOf } from "./params-text.ts";
import { type BodyLimits, bodyTooLarge, readBody } from "./read-body.ts";
import { meant, type Route } from "./route.ts";

/** Forms beyond this are read in turns. */
const FORM_BYTES_AT_ONCE = 256 * 1024;

export interface AnsweringSetup extends FilterSetup {
  readonly clock: Clock;
  readonly log: Log;
  readonly bodyBytesMax: number;
}

/** A request on its way through the server, and what its answer goes into. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly arrival: Arrival;
  readonly segments: Readonly<Record<string, string>>;
  /** Makes the signal that tells a call to stop waiting. */
  readonly cut: () => AbortSignal;
}

/**
 * Reads what a request brings, holds it against the filters, and asks its route.
 *
 * @param all  the routes of its path and method: one, or several that differ in their markers.
 * @returns undefined when the caller has gone.
 */
export async function answerOf(
  setup: AnsweringSetup,
  all: readonly [Route, ...Route[]],
  large: LargeBodies,
  exchange: Exchange,
): Promise<Answer | undefined> {
  const { arrival } = exchange;
  let [route] = all;
  try {
    const limits = { most: bodyLimit(setup, all), mostUndeclared: setup.bodyBytesMax, large };
    const came = await arrived(exchange, route, limits);
    if (came === undefined) return undefined;
    const { params, call, bytes } = came;
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
      setup.log.error({ err, method: arrival.method, route: route.path }, "a request failed");
    }
    return failureAnswer(route.family, failure);
  }
}

function bodyLimit({ bodyBytesMax }: AnsweringSetup, routes: readonly Route[]): number {
  let most = bodyBytesMax;
  for (const route of routes) if (route.bodyBytesMax !== undefined) most = Math.max(most, route.bodyBytesMax);
  return most;
}

interface Came {
  readonly params: Params;
  readonly call: Call;
  readonly bytes: number;
}

/** The body is in the call alone from here on: a call that waits for long can let go of it. */
async function arrived(exchange: Exchange, { family }: Route, limits: BodyLimits): Promise<Came | undefined> {
  const { request, response, arrival, segments, cut } = exchange;
  const { method, path, uri, sourceIp, agent } = arrival;
  const { headers } = request;
  const body = await readBody(request, response, limits);
  if (body === undefined) return undefined;
  const { params, files } = await contentsOf(arrival, body, family);
  const app = appOf(headers, params.text("app", ""));
  const call = new HttpCall({ method, path, uri, sourceIp, agent, app, body, headers, segments, files, cut });
  return { params, call, bytes: body.length };
}

function markersOf(routes: readonly Route[]): string {
  return `one of these parameters is required: ${routes.map(({ marker }) => marker).join(", ")}`;
}

interface Contents {
  readonly params: Params;
  readonly files: Parts["files"];
}

const NO_FILES: Parts["files"] = new Map();

async function contentsOf({ query, contentType }: Arrival, body: Buffer, family: Family): Promise<Contents> {
  const type = contentType.toLowerCase();
  if (type.startsWith("multipart/") && body.length > 0) {
    const { fields, files } = await partsOf(body, contentType);
    return { params: Params.of([...pairsOf(query), ...fields], family), files };
  }
  if (body.length <= FORM_BYTES_AT_ONCE)
    return { params: Params.read(query, formOf(body, type), family), files: NO_FILES };
  // Joining what came, making text of it, and reading that take a turn each.
  await turn();
  const form = formOf(body, type);
  await turn();
  return { params: await Params.readInTurns(query, form, family), files: NO_FILES };
}

/** The body where it is a form. Clients leave the type out, or give one that says nothing. */
function formOf(body: Buffer, contentType: string): string {
  if (body.length === 0) return "";
  const form = contentType === "" || contentType.startsWith("application/x-www-form-urlencoded");
  return form || contentType.startsWith("text/") ? body.toString("latin1") : "";
}
