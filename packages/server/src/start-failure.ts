import { RegistryError } from "@nacre/protocol";
import { OPTIONS, OptionError, type Options } from "./options.ts";
import { StartError } from "./running.ts";

/**
 * The one sentence, with the fix, for a start that failed for a reason an operator can mend; undefined for anything
 * else, which is then a bug.
 */
export function startFailure(thrown: unknown, options: Options): string | undefined {
  if (thrown instanceof StartError || thrown instanceof OptionError) return thrown.message;
  if (thrown instanceof RegistryError && thrown.failure === "dataAccess") return thrown.message;
  const error = systemError(thrown);
  if (error === undefined) return undefined;
  if (error.port !== undefined || error.syscall === "listen" || error.syscall === "bind")
    return portFailure(error, options);
  return fileFailure(error, options);
}

/** The port that another process has; undefined when the start failed for anything else. */
export function takenPort(thrown: unknown): number | undefined {
  const error = systemError(thrown);
  return error?.code === "EADDRINUSE" ? error.port : undefined;
}

interface SystemError {
  readonly code: string;
  readonly syscall?: string;
  readonly path?: string;
  readonly address?: string;
  readonly port?: number;
}

/** A system's error inside what was thrown: libraries wrap it as a cause or in a list. */
function systemError(thrown: unknown, depth = 0): SystemError | undefined {
  if (!(thrown instanceof Error) || depth > 5) return undefined;
  if ("code" in thrown && typeof thrown.code === "string" && /^E[A-Z0-9]+$/.test(thrown.code)) {
    return thrown as unknown as SystemError;
  }
  const inner = thrown instanceof AggregateError ? thrown.errors[0] : thrown.cause;
  return systemError(inner, depth + 1);
}

function portFailure(error: SystemError, options: Options): string | undefined {
  const port = error.port ?? options.port;
  const isCluster = port === options.port + options.clusterPortOffset;
  const derived = port === options.port + 1000 || isCluster;
  const which = derived ? `${port} (main port ${options.port} + ${port - options.port})` : `${port}`;
  const own = port === options.grpcPort ? OPTIONS.grpcPort.name : undefined;
  const elsewhere = own === undefined ? "main port with --port" : `port with --${own}`;
  switch (error.code) {
    case "EADDRINUSE":
      if (isCluster)
        return `Port ${which}, for other members, is in use by another process; stop that one, choose another main port with --port, or keep this one closed with --${OPTIONS.clusterPortOpen.name}=false.`;
      return `Port ${which} is in use by another process; stop that one, or choose another ${elsewhere}.`;
    case "EACCES":
    case "EPERM":
      return `This user may not open port ${which}; choose a ${own === undefined ? "main " : ""}port from 1024 on with --${own ?? "port"}.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${options.bindAddress} is no address of this machine; correct --bind (${OPTIONS.bindAddress.name}).`;
    default:
      return undefined;
  }
}

function fileFailure(error: SystemError, options: Options): string | undefined {
  const path = error.path ?? options.dataDir;
  const elsewhere = `choose another data folder with --data (${OPTIONS.dataDir.name})`;
  switch (error.code) {
    case "EACCES":
    case "EPERM":
      return `This user may not write ${path}; give it write access, or ${elsewhere}.`;
    case "EROFS":
      return `${path} is on a read-only file system; ${elsewhere}.`;
    case "ENOSPC":
    case "EDQUOT":
      return `There is no room left to write ${path}; free some, or ${elsewhere}.`;
    case "ENOTDIR":
    case "EEXIST":
      return `${path} cannot be made because a file stands where a folder is needed; move the file, or ${elsewhere}.`;
    case "ENOENT":
      return `${path} does not exist; make it, or correct the option that names it.`;
    case "EMFILE":
    case "ENFILE":
      return "The system allows no more open files; raise the limit (ulimit -n) for this user.";
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EADDRNOTAVAIL":
      return `${options.bindAddress} is no address of this machine; correct --bind (${OPTIONS.bindAddress.name}).`;
    default:
      return undefined;
  }
}
