import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import mysql from "mysql2/promise";
import { closedPort } from "./targets.fixture.ts";

/** A MariaDB server of its own for one test file, in a directory that is removed with it. */
export interface Database {
  readonly port: number;
  /** As the administrator. */
  run(sql: string): Promise<void>;
  stop(): Promise<void>;
}

const READY_MAX_MS = 60_000;

export function databaseBinary(): string | undefined {
  return findBinary("mariadbd") ?? findBinary("mysqld");
}

/** Starts a server with one user who may log in with the password over TCP and has no privileges. */
export async function startDatabase(account: { user: string; password: string }): Promise<Database> {
  const binary = databaseBinary();
  const installer = findBinary("mariadb-install-db") ?? findBinary("mysql_install_db");
  if (binary === undefined || installer === undefined)
    throw new Error("mariadbd and mariadb-install-db must be installed (Debian: mariadb-server)");
  const directory = await mkdtemp(join(tmpdir(), "nacre-mariadb-"));
  const user = userInfo().username;
  const data = join(directory, "data");
  const socket = join(directory, "sock");
  await promisify(execFile)(installer, [
    "--no-defaults",
    `--datadir=${data}`,
    `--user=${user}`,
    "--auth-root-authentication-method=normal",
    "--skip-test-db",
  ]);
  const port = await closedPort();
  const server = spawn(
    binary,
    [
      "--no-defaults",
      `--datadir=${data}`,
      `--socket=${socket}`,
      `--pid-file=${join(directory, "pid")}`,
      `--user=${user}`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      "--skip-name-resolve",
      "--innodb-buffer-pool-size=16M",
      "--innodb-flush-log-at-trx-commit=0",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const log = await ready(server);
  server.stderr?.resume();
  const root = await mysql.createConnection({ socketPath: socket, user: "root" }).catch((error) => {
    server.kill("SIGKILL");
    throw new Error(`the database cannot be used: ${error.message}\n${log}`);
  });
  const { user: name, password } = account;
  await root.query("CREATE USER ?@'127.0.0.1' IDENTIFIED BY ?", [name, password]);
  return {
    port,
    async run(sql) {
      await root.query(sql);
    },
    async stop() {
      root.destroy();
      const exited = once(server, "exit");
      server.kill("SIGTERM");
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves with the server's log once it says that it takes connections. */
function ready(server: ChildProcess): Promise<string> {
  let log = "";
  return new Promise((resolve, reject) => {
    const giveUp = setTimeout(() => {
      server.kill("SIGKILL");
      reject(new Error(`the database was not ready after ${READY_MAX_MS} ms\n${log}`));
    }, READY_MAX_MS);
    server.stderr?.on("data", (chunk) => {
      log += chunk;
      if (!log.includes("ready for connections")) return;
      clearTimeout(giveUp);
      resolve(log);
    });
    server.once("exit", (code) => {
      clearTimeout(giveUp);
      reject(new Error(`the database ended with code ${code}\n${log}`));
    });
  });
}

function findBinary(name: string): string | undefined {
  // Servers are often outside the search path of ordinary users.
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
