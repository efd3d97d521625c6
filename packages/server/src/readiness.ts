/** The states that the naming status has on the wire. */
export type ServerStatus = "STARTING" | "UP" | "DOWN" | "READ_ONLY" | "WRITE_ONLY" | "PAUSED";

export interface Ready {
  readonly ready: boolean;
  readonly status: ServerStatus;
  /** When not ready: what is wrong and what to do, in one sentence. */
  readonly reason: string | undefined;
  /** It is to be sent nothing new, and answers what comes nevertheless: proxies need a while to notice. */
  readonly isLeaving?: boolean;
  /** What durable data it has is not what it should be, so that it shows none of it. */
  readonly isWrong?: boolean;
}

const STOPPING = "This member is stopping; send requests to another one, or start it again.";

/** Whether this member may be sent traffic, and if not, why. Liveness is another question: it needs no answer but one. */
export class Readiness {
  #state: Ready = { ready: false, status: "STARTING", reason: "Nacre is starting; it will be ready in a moment." };
  #explain: () => string | undefined = () => undefined;
  readonly #waiting = Promise.withResolvers<void>();

  constructor() {
    // Whoever does not wait for a server that never gets ready must not meet an unhandled rejection.
    this.#waiting.promise.catch(() => undefined);
  }

  /** How far its life is, as this member knows it by itself. */
  get stage(): "starting" | "running" | "stopping" {
    const { status } = this.#state;
    return status === "STARTING" ? "starting" : status === "DOWN" ? "stopping" : "running";
  }

  state(): Ready {
    if (this.#state.status !== "STARTING") return this.#state;
    // What keeps a member from being ready is looked at when it is asked: peers, ports and times change meanwhile.
    return { ...this.#state, reason: this.#explain() ?? this.#state.reason };
  }

  /** From now on the reason for waiting is what this says, if it says anything. */
  explainWith(explain: () => string | undefined): void {
    this.#explain = explain;
  }

  /** Resolves when this member is ready for the first time; rejects when it stops before that. */
  ready(): Promise<void> {
    return this.#waiting.promise;
  }

  /** Not yet, or not any more, for a reason that ends by itself or is for the operator to mend: one sentence. */
  waiting(reason: string, isWrong = false): void {
    if (this.#state.status !== "DOWN") this.#state = { ready: false, status: "STARTING", reason, isWrong };
  }

  up(): void {
    if (this.#state.status === "DOWN") return;
    this.#state = { ready: true, status: "UP", reason: undefined };
    this.#waiting.resolve();
  }

  /** The first part of a planned stop: clients are moved, and calls that still come are answered as before. */
  leaving(): void {
    this.#state = { ready: false, status: "DOWN", reason: STOPPING, isLeaving: true };
    this.#waiting.reject(new Error("the server stopped before it was ready"));
  }

  stopping(): void {
    this.#state = { ready: false, status: "DOWN", reason: STOPPING };
    this.#waiting.reject(new Error("the server stopped before it was ready"));
  }
}
