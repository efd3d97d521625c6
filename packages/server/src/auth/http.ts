import { RegistryError } from "@nacre/protocol";
import { type Answer, json } from "../transport/http/answers.ts";
import type { Params } from "../transport/http/params.ts";
import type { Route } from "../transport/http/route.ts";
import { plain, v3 } from "../transport/http/rows.ts";

/** What SDKs take for a token where nobody checks one. */
const TOKEN = "AUTH_DISABLED";
/** Seconds after which SDKs log in again. */
const TOKEN_SECONDS = 18_000;

/**
 * Logins while there are none: whoever is configured with a name and a password gets the token that says so, because
 * some SDKs do not start without an answer. Nothing is checked here or later.
 */
export function loginRoutes(): readonly Route[] {
  return [
    { ...plain("/v1/auth/login", login), method: "POST", gate: "open", family: "v1" },
    { ...plain("/v1/auth/users/login", login), method: "POST", gate: "open", family: "v1" },
    v3("POST", "/v3/auth/user/login", login),
  ];
}

function login(params: Params): Answer {
  const username = params.text("username", "");
  if (username === "") throw new RegistryError("parameterMissing", "Param 'username' is required.");
  const answer = json({ accessToken: TOKEN, tokenTtl: TOKEN_SECONDS, globalAdmin: true, username });
  return { ...answer, headers: { Authorization: `Bearer ${TOKEN}` } };
}
