import mysql, { type QueryError } from "mysql2";
import { CHECK_LIMITS, type Check, connectionFailure, probe } from "./probe.ts";

/** The command that asks whether the target is a primary; its answer ON means that it is not. */
const READ_ONLY_COMMAND = "show global variables where variable_name='read_only'";

/**
 * A target is healthy when it runs the command. Only the first row of an answer is read. An error that the server
 * itself reports (login, permission, syntax) leaves no doubt; a server that is read-only may become the primary again,
 * so that answer has to repeat.
 */
export function newMysqlCheck(limits: { connectMs: number; queryMs: number } = CHECK_LIMITS): Check {
  return ({ ip, port, checker }, signal) =>
    probe(signal, (done, limit) => {
      if (checker.type !== "MYSQL") throw new Error(`not a MySQL checker but ${checker.type}`);
      const connection = mysql.createConnection({
        host: ip,
        port,
        user: checker.user,
        password: checker.pwd,
        connectTimeout: limits.connectMs,
      });
      const failed = (error: QueryError) => {
        const { outcome, reason } = failure(error);
        done(outcome, reason);
      };
      limit(limits.connectMs, "no login");
      connection.on("error", failed);
      connection.connect((error) => {
        if (error !== null) return failed(error);
        limit(limits.queryMs, "logged in, but no answer to the command");
        const query = connection.query({ sql: checker.cmd, rowsAsArray: true });
        query.on("error", failed);
        query.on("result", (row: unknown) => {
          if (asksReadOnly(checker.cmd) && Array.isArray(row) && String(row[1]).toUpperCase() === "ON")
            done("fail", "the server is read-only");
          else done("ok", "the command ran");
        });
        query.on("end", () => done("ok", "the command ran"));
      });
      return () => connection.destroy();
    });
}

function failure(error: QueryError): ReturnType<typeof connectionFailure> {
  // Only what the server reported has an SQL state. Its text names the user and the host, never the password.
  if (error.sqlState !== undefined) return { outcome: "failNow", reason: `${error.code}: ${error.message}` };
  if (error.code === "ETIMEDOUT") return { outcome: "fail", reason: "no login in time" };
  return connectionFailure(error);
}

function asksReadOnly(command: string): boolean {
  return (
    command
      .trim()
      .replace(/\s+/g, " ")
      .replace(/ = |= | =/g, "=")
      .toLowerCase() === READ_ONLY_COMMAND
  );
}
