/**
 * What is used of `node:http`. An `import` of a module of Node's own reads all of its exports, and of this one that loads
 * the client behind `fetch` and `WebSocket`: some 16 MiB of memory that a server keeps and never uses.
 */
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule("node:http");
