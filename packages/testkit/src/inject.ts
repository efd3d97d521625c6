import type { RequestListener } from "node:http";
import { type DispatchFunc, type InjectOptions, inject, type Response } from "light-my-request";

export interface Injector {
  /** Runs one request through the listener, without a socket. */
  inject(request: InjectOptions | string): Promise<Response>;
}

export function injector(listener: RequestListener): Injector {
  return { inject: (request) => inject(listener as unknown as DispatchFunc, request) };
}
