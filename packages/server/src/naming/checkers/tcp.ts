import { connect, type LookupFunction } from "node:net";
import { CHECK_LIMITS, type Check, connectionFailure, probe } from "./probe.ts";

/** A target is healthy when it takes a connection. `lookup` resolves host names; by default the system does. */
export function newTcpCheck(limits: { connectMs: number } = CHECK_LIMITS, lookup?: LookupFunction): Check {
  return ({ ip, port }, signal) =>
    probe(signal, (done, limit) => {
      const socket = connect({ host: ip, port, ...(lookup && { lookup }) });
      limit(limits.connectMs, "no connection");
      socket.once("connect", () => done("ok", "connected"));
      // Not once: a socket that is given up may still fail, and nobody else listens.
      socket.on("error", (error) => {
        const { outcome, reason } = connectionFailure(error);
        done(outcome, reason);
      });
      return () => socket.destroy();
    });
}
