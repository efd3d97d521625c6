import { connect } from "node:net";

/** Writes to a port and reads until the connection ends. */
export async function exchange(port: number, ...chunks: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1").setEncoding("latin1");
  for (const chunk of chunks) socket.write(chunk);
  let answers = "";
  for await (const text of socket) answers += text;
  return answers;
}
