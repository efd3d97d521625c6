/**
 * Node's crypto, for whoever computes or draws something with it: its modules are 1 to 2 MiB of memory, and a server that
 * only passes instances on needs none of them.
 */
export function nodeCrypto(): typeof import("node:crypto") {
  return process.getBuiltinModule("node:crypto");
}
