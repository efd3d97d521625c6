import { CliError } from "../failure.ts";

/** Where a server is and how it is called. */
export interface Caller {
  /** With the context path, without a slash at its end. */
  readonly base: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Calls of one request until it counts as failed; 1 repeats nothing. */
  readonly attemptsMax: number;
  readonly timeoutMs: number;
  /** Waits between two calls. */
  readonly wait: (ms: number) => Promise<unknown>;
}

export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Call {
  readonly query?: Fields;
  readonly form?: Fields;
  readonly body?: FormData;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined when the body is no JSON. */
  readonly json: unknown;
}

/** Nobody answered, or an overloaded server did, every time: the server is the matter, not what was asked of it. */
export class NoAnswer extends CliError {}

const BACK_OFF_MS = 250;
const BACK_OFF_MAX_MS = 8000;
/** What may be different a moment later. */
const BUSY = new Set([408, 429, 502, 503, 504]);
const PASSING = new Set([...BUSY, 500]);
const LOGINS = ["/v3/auth/user/login", "/v1/auth/login"];
/** Paths that a server without this kind of login answers with one of these. */
const NO_SUCH_LOGIN = new Set([404, 405, 410, 501]);
const SENTENCE_MAX = 300;

/** Calls one server: logs in where credentials are given, and repeats what failed in passing. */
export class Http {
  readonly caller: Caller;
  #token: Promise<string> | undefined;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  get base(): string {
    return this.caller.base;
  }

  /** @returns whatever the server answered, 404 and 403 too. @throws CliError when there is no answer. */
  async call(method: string, path: string, call: Call = {}): Promise<Answer> {
    const response = await this.open(method, path, call);
    const text = await response.text().catch((thrown: unknown) => {
      throw this.#noAnswer(thrown);
    });
    return answerOf(response, text);
  }

  /** Like `call`, with a body that is still to be read. Failures that pass are repeated here too. */
  async open(method: string, path: string, call: Call = {}): Promise<Response> {
    const { attemptsMax, wait } = this.caller;
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#authorized(method, path, call);
        const { status, headers } = response;
        if (attemptsMax === 1 || !PASSING.has(status)) return response;
        const text = await response.text();
        if (isVerdict(text) || (attempt >= attemptsMax && !BUSY.has(status))) {
          return new Response(text, { status, headers });
        }
        if (attempt >= attemptsMax) {
          throw new NoAnswer(
            "failed",
            `${this.base} answered ${status} to ${attempt} calls in a row: try again later.`,
          );
        }
      } catch (thrown) {
        if (attempt >= attemptsMax || thrown instanceof CliError || call.signal?.aborted) throw this.#noAnswer(thrown);
      }
      await wait(Math.min(BACK_OFF_MAX_MS, BACK_OFF_MS * 2 ** (attempt - 1)));
    }
  }

  async #authorized(method: string, path: string, call: Call): Promise<Response> {
    const used = await this.#login();
    const response = await this.#send(method, path, call, used);
    if (used === undefined || (response.status !== 403 && response.status !== 401)) return response;
    // The token may have run out on the way: one login anew, shared by the calls that met the same answer.
    if ((await this.#token) === used) this.#token = undefined;
    await response.body?.cancel();
    return this.#send(method, path, call, await this.#login());
  }

  async #send(method: string, path: string, call: Call, token: string | undefined): Promise<Response> {
    const url = new URL(`${this.base}${path}`);
    for (const [name, value] of definedOf(call.query)) url.searchParams.append(name, value);
    // Releases before 1.2 and other servers of this protocol read the token from the parameters alone.
    if (token !== undefined && path.startsWith("/v1/")) url.searchParams.append("accessToken", token);
    const signals = [AbortSignal.timeout(call.timeoutMs ?? this.caller.timeoutMs)];
    if (call.signal !== undefined) signals.push(call.signal);
    const headers: Record<string, string> = { "User-Agent": "Nacre-Cli", ...call.headers };
    if (token !== undefined) Object.assign(headers, { Authorization: `Bearer ${token}`, accessToken: token });
    const body = call.body ?? (call.form === undefined ? undefined : new URLSearchParams(definedOf(call.form)));
    return fetch(url, { method, headers, signal: AbortSignal.any(signals), ...(body === undefined ? {} : { body }) });
  }

  async #login(): Promise<string | undefined> {
    const { username, password } = this.caller;
    if (username === undefined) return undefined;
    this.#token ??= this.#loggedIn({ username, password: password ?? "" });
    // A failed login is not kept: the call after it tries again.
    this.#token.catch(() => {
      this.#token = undefined;
    });
    return this.#token;
  }

  async #loggedIn(form: Fields): Promise<string> {
    let refused: Answer | undefined;
    for (const path of LOGINS) {
      const response = await this.#send("POST", path, { form }, undefined);
      const answer = answerOf(response, await response.text());
      if (BUSY.has(answer.status)) throw new Error(`the login answered ${answer.status}`);
      const token = fieldOf(answer.json, "accessToken") ?? fieldOf(fieldOf(answer.json, "data"), "accessToken");
      if (typeof token === "string") return token;
      // A server may refuse paths that it does not have like those that it guards: the next one is asked all the same.
      if (refused === undefined || !NO_SUCH_LOGIN.has(answer.status)) refused = answer;
    }
    const why = refused === undefined ? "" : ` (${refused.status} ${reasonOf(refused)})`;
    throw new CliError(
      "failed",
      `${this.base} did not let ${form.username} log in${why}: check the user name and the password.`,
    );
  }

  #noAnswer(thrown: unknown): CliError {
    if (thrown instanceof CliError) return thrown;
    const { name, message, cause } = thrown as Error & { cause?: { name?: string; code?: string; message?: string } };
    if (cause?.name === "HTTPParserError")
      return new NoAnswer(
        "failed",
        `${this.base} answers with something else than HTTP: give the main port of the server, and not the one for gRPC or for members.`,
        { cause: thrown },
      );
    const why = name === "TimeoutError" ? "timeout" : (cause?.code ?? cause?.message ?? message);
    return new NoAnswer(
      "failed",
      `${this.base} gave no answer (${why}): check the address, and that the server runs.`,
      {
        cause: thrown,
      },
    );
  }

  /** The failure that an answer stands for. */
  refused(answer: Answer, what: string): CliError {
    const reason = reasonOf(answer);
    const told = `${this.base} refused ${what} (${answer.status} ${reason})`;
    if (answer.status === 401 || answer.status === 403) {
      return new CliError("failed", `${told}: give --username and --password of a user who may do this.`);
    }
    if (answer.status === 410) {
      return new CliError("failed", `${told}: the operator of that server can switch this API on.`);
    }
    // Version 1 answers 400 to the question for a service that it does not know.
    const isMissing = answer.status === 404 || (answer.status === 400 && /\bnot (found|exist)/i.test(reason));
    if (isMissing || NOT_FOUND.has(Number(fieldOf(answer.json, "code")))) {
      return new CliError("notFound", `${this.base} has nothing there for ${what} (${answer.status} ${reason}).`);
    }
    return new CliError("failed", `${told}.`);
  }
}

/** Codes of results that say that something is not there. */
const NOT_FOUND = new Set([20004, 21003, 21008, 22001]);

/** A refusal that no repetition changes: a lost compare-and-set answers 500. */
function isVerdict(text: string): boolean {
  if (text.trim() === "false") return true;
  const code = Number(fieldOf(parsed(text), "code"));
  return code >= 5031 && code < 30000;
}

/** What the server says went wrong, in one line. */
export function reasonOf({ json, text }: Answer): string {
  const data = fieldOf(json, "data");
  const message = typeof data === "string" && data !== "" ? data : fieldOf(json, "message");
  const said = typeof message === "string" && message !== "" ? message : text;
  const line = said.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length > SENTENCE_MAX ? `${line.slice(0, SENTENCE_MAX)}…` : line;
}

export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function answerOf(response: Response, text: string): Answer {
  return { status: response.status, headers: response.headers, text, json: parsed(text) };
}

function parsed(text: string): unknown {
  if (!/^\s*[[{tf"0-9n-]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function definedOf(fields: Fields = {}): [string, string][] {
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
}
