/** A well-behaved client in a process of its own: it calls all the time and notes how long that takes. */
import { connectGrpc } from "@nacre/grpc";

const port = Number(process.argv[2]);
const tls = process.argv[3] === undefined ? undefined : { ca: process.argv[3], serverName: "localhost" };
const MESSAGE = Buffer.alloc(100, "x");
/** A client that calls without any pause would take a core for itself. */
const PAUSE_MS = 1;

const connection = await connectGrpc({ host: "127.0.0.1", port, ...(tls !== undefined && { tls }) });
let took: number[] = [];
let failures: string[] = [];
let calledAt = performance.now();

const call = async (): Promise<void> => {
  calledAt = performance.now();
  try {
    const answer = await connection.unary("/t.T/Echo", MESSAGE);
    if (!answer.equals(MESSAGE)) failures.push("a wrong answer");
  } catch (error) {
    failures.push(String(error));
  }
  took.push(performance.now() - calledAt);
  setTimeout(call, PAUSE_MS);
};

process.on("message", () => {
  // The call that is under way counts as long as it has taken so far.
  const all = [...took, performance.now() - calledAt].sort((a, b) => a - b);
  process.send?.({
    calls: took.length,
    medianMs: all[all.length >> 1],
    worstMs: all.at(-1),
    failures: [...new Set(failures)],
  });
  took = [];
  failures = [];
});
process.on("disconnect", () => process.exit());
await call();
process.send?.("ready");
