/** Node's zlib, for those who compress: its modules are 3 MiB of memory that most servers do without. */
export function nodeZlib(): typeof import("node:zlib") {
  return process.getBuiltinModule("node:zlib");
}
