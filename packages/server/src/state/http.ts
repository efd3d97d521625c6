import type { Answer } from "../transport/http/answers.ts";
import { json, restResult, result, resultFailure, text } from "../transport/http/answers.ts";
import { type FilterSetup, statusOf } from "../transport/http/filters.ts";
import type { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { plain, v1, v2, v3 } from "../transport/http/rows.ts";
import { type ServerFacts, serverState } from "./server-state.ts";

export interface StateSetup extends Pick<FilterSetup, "readiness" | "switches"> {
  readonly facts: () => ServerFacts;
  /** Names of actuator endpoints that answer; `*` for all. */
  readonly exposed: readonly string[];
}

const LANGUAGES = ["zh-CN", "en-US"];
const GUIDE = "This is the API of the console; a console of its own comes with a later release of Nacre.";
const HINT = "Nacre is running and serves its API below /nacos; a console comes with a later release.\n";

/** Why this member should get no traffic; undefined when it should. Scripts look for the first four words. */
export function unreadiness(setup: Pick<StateSetup, "readiness" | "switches">): string | undefined {
  const status = statusOf(setup);
  if (status === "UP") return undefined;
  const { reason } = setup.readiness.state();
  const operator = `an operator set the status ${status}; clear the switch overriddenServerStatus to end it.`;
  return `naming not in readiness: ${reason ?? operator}`;
}

/**
 * Whether this server lives, whether it may be sent traffic, what it is, and the texts of its front page, in every
 * dialect. Liveness asks for nothing but an answer: a server that only waits must not be restarted.
 */
export function stateRoutes(setup: StateSetup): readonly Route[] {
  const state = () => serverState(setup.facts());
  const alive = (): Answer => result("ok");
  const ready = (): Answer => {
    const reason = unreadiness(setup);
    return reason === undefined ? result("ok") : resultFailure(503, 30000, reason, null);
  };
  const readyText = (): Answer => {
    const reason = unreadiness(setup);
    return reason === undefined ? text("OK") : text(reason, 503);
  };
  const readyStatus = (): Answer => {
    const reason = unreadiness(setup);
    return reason === undefined ? json({ status: "UP" }) : json({ status: "DOWN", details: { reason } }, 503);
  };
  const exposes = (name: string): boolean => setup.exposed.some((one) => one === name || one === "*");
  const health = [
    plain("/actuator/health", readyStatus),
    plain("/actuator/health/readiness", readyStatus),
    plain("/actuator/health/liveness", () => json({ status: "UP" })),
  ];
  return [
    v1("GET", "/v1/console/health/liveness", "console", "GET /v3/console/health/liveness", () => text("OK")),
    v1("GET", "/v1/console/health/readiness", "console", "GET /v3/console/health/readiness", readyText),
    v2("GET", "/v2/console/health/liveness", "console", "GET /v3/console/health/liveness", alive),
    v2("GET", "/v2/console/health/readiness", "console", "GET /v3/console/health/readiness", ready),
    v3("GET", "/v3/console/health/liveness", alive),
    v3("GET", "/v3/console/health/readiness", ready),
    v3("GET", "/v3/admin/core/state/liveness", alive),
    v3("GET", "/v3/admin/core/state/readiness", ready),

    v1("GET", "/v1/console/server/state", "console", "GET /v3/console/server/state", () => json(state())),
    v3("GET", "/v3/console/server/state", () => json(state())),
    v3("GET", "/v3/admin/core/state", () => result(state())),

    v1("GET", "/v1/console/server/announcement", "console", "GET /v3/console/server/announcement", (params) => {
      const wrong = languageBroken(params);
      return wrong === undefined ? restResult("") : restResult(null, wrong, 500);
    }),
    v1("GET", "/v1/console/server/guide", "console", "GET /v3/console/server/guide", () => restResult(GUIDE)),
    v3("GET", "/v3/console/server/announcement", (params) => {
      const wrong = languageBroken(params);
      return wrong === undefined ? result("") : resultFailure(400, 30000, wrong, null);
    }),
    v3("GET", "/v3/console/server/guide", () => result(GUIDE)),

    ...(exposes("health") ? health : []),
    plain("/actuator", (_params, { uri, header }) => {
      const self = `http://${header("host") ?? "localhost"}${uri.replace(/\/$/, "")}`;
      const names = ["health", "prometheus"].filter(exposes).map((name) => [name, `${self}/${name}`] as const);
      const links = [["self", self] as const, ...names].map(([name, href]) => [name, { href, templated: false }]);
      return json({ _links: Object.fromEntries(links) });
    }),
    plain("/", () => text(HINT)),
    plain("/index.html", () => text(HINT)),
  ];
}

/** There is nothing to announce, but a language that is not offered is still a mistake of the caller. */
function languageBroken(params: Params): string | undefined {
  const language = params.text("language", "zh-CN");
  return LANGUAGES.includes(language)
    ? undefined
    : `Param 'language' must be one of ${LANGUAGES.join(", ")}, not '${language.slice(0, 128)}'.`;
}
