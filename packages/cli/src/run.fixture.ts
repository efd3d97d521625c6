import { type Output, run } from "./index.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Given {
  readonly env?: Record<string, string>;
  readonly stdin?: string | Uint8Array;
  readonly stopped?: AbortSignal;
  readonly stdoutIsTerminal?: boolean;
  /** Sees each piece of stdout as it is written. */
  readonly onOut?: (text: string) => void;
  readonly onErr?: (text: string) => void;
}

/** Runs one command in this process. Pauses between two tries take no time. */
export async function nacre(argv: readonly string[], given: Given = {}): Promise<Ran> {
  const { bytes, ...ran } = await nacreBytes(argv, given);
  return { ...ran, out: ran.out + Buffer.from(bytes).toString("utf8") };
}

export async function nacreBytes(argv: readonly string[], given: Given = {}): Promise<Ran & { bytes: Uint8Array }> {
  const ran = { out: "", err: "" };
  const chunks: Uint8Array[] = [];
  const output: Output = {
    out: (text) => {
      ran.out += text;
      given.onOut?.(text);
    },
    err: (text) => {
      ran.err += text;
      given.onErr?.(text);
    },
    bytes: (bytes) => void chunks.push(bytes),
  };
  const { env = {}, stdin, stopped, stdoutIsTerminal = false } = given;
  const code = await run(argv, env, output, {
    stdin: piped(stdin),
    stdinIsTerminal: stdin === undefined,
    stderrIsTerminal: false,
    stdoutIsTerminal,
    ...(stopped && { stopped }),
    wait: () => new Promise((resolve) => setImmediate(resolve)),
  });
  return { code, ...ran, bytes: Buffer.concat(chunks) };
}

async function* piped(text: string | Uint8Array = ""): AsyncGenerator<Uint8Array> {
  yield typeof text === "string" ? new TextEncoder().encode(text) : text;
}
