/** A well-behaved client in a process of its own: it calls all the time and notes how long that takes. */
import { once } from "node:events";
import { connect } from "node:net";
import { connectGrpc } from "@nacre/grpc";

const port = Number(process.argv[2]);
/** What it calls: `grpc`, or `socket`, which gives back what it reads. */
const kind = process.argv[3];
const ca = process.argv[4];
const MESSAGE = Buffer.alloc(100, "x");
/** A client that calls without any pause would take a core for itself. */
const PAUSE_MS = 1;

const ask = kind === "socket" ? await socket() : await grpc();
let took: number[] = [];
let failures: string[] = [];
let calledAt = performance.now();

const call = async (): Promise<void> => {
  calledAt = performance.now();
  try {
    const answer = await ask(MESSAGE);
    if (!answer.equals(MESSAGE)) failures.push("a wrong answer");
  } catch (error) {
    failures.push(String(error));
  }
  took.push(performance.now() - calledAt);
  setTimeout(call, PAUSE_MS);
};

async function grpc(): Promise<(message: Buffer) => Promise<Buffer>> {
  const tls = ca === undefined ? {} : { tls: { ca, serverName: "localhost" } };
  const connection = await connectGrpc({ host: "127.0.0.1", port, ...tls });
  return (message) => connection.unary("/t.T/Echo", message);
}

async function socket(): Promise<(message: Buffer) => Promise<Buffer>> {
  const connection = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(connection, "connect");
  return async (message) => {
    connection.write(message);
    const [answer] = await once(connection, "data");
    return answer;
  };
}

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
