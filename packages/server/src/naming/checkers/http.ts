import { parseHeaders } from "@nacre/core/health";
import { request } from "../../node-http.ts";
import { CHECK_LIMITS, type Check, connectionFailure, probe } from "./probe.ts";

/** Answers of a target that is there but busy or elsewhere: they must repeat before it counts as unhealthy. */
const PASSING = new Set([302, 503]);

/**
 * A target is healthy when a GET on its path answers with the expected status. The status is honoured as configured;
 * the reference server accepts nothing but 200 whatever the checker says. Redirects are not followed.
 */
export function newHttpCheck(limits: { connectMs: number; answerMs: number } = CHECK_LIMITS): Check {
  return ({ ip, port, checker }, signal) =>
    probe(signal, (done, limit) => {
      if (checker.type !== "HTTP") throw new Error(`not an HTTP checker but ${checker.type}`);
      const call = request({
        host: ip,
        port,
        path: checker.path,
        method: "GET",
        // One connection per check: a kept one would answer for a target that takes no new connections.
        agent: false,
        setDefaultHeaders: true,
        headers: { Connection: "close", ...Object.fromEntries(parseHeaders(checker.headers)) },
      });
      limit(limits.connectMs, "no connection");
      call.once("socket", (socket) => socket.once("connect", () => limit(limits.answerMs, "connected, but no answer")));
      call.once("response", ({ statusCode: status = 0 }) => {
        if (status === checker.expectedResponseCode) done("ok", `status ${status}`);
        else
          done(PASSING.has(status) ? "fail" : "failNow", `status ${status} instead of ${checker.expectedResponseCode}`);
      });
      call.on("error", (error) => {
        const { outcome, reason } = connectionFailure(error);
        done(outcome, reason);
      });
      call.end();
      return () => call.destroy();
    });
}
