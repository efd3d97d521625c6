import { Readable } from "node:stream";
import type { BusboyInstance } from "@fastify/busboy";
import { RegistryError } from "@nacre/protocol";
import { turn } from "../../storage/turn.ts";
import type { Pair } from "./params-text.ts";

/** Parts of one request; an import has a file and a handful of fields. */
const PARTS_MAX = 100;
const NAME_BYTES_MAX = 256;

export interface Parts {
  readonly fields: readonly Pair[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Bytes that are looked through in one go, and bytes that are copied: each about a millisecond. */
const SLICE_BYTES = 128 * 1024;
const COPY_BYTES = 2 * 1024 * 1024;

/**
 * The parts of a `multipart/form-data` body that has arrived as a whole, so it is bounded by the limit of the route. It
 * is read with the event loop free in between.
 *
 * @param contentType  as the client wrote it: the boundary is case-sensitive.
 * @throws RegistryError `badRequest` when it is not what its type says, or ends in the middle.
 */
export async function partsOf(body: Uint8Array, contentType: string): Promise<Parts> {
  const { fields, chunks } = await split(body, contentType);
  const files = new Map<string, Uint8Array>();
  for (const [name, pieces] of chunks) files.set(name, await joined(pieces));
  return { fields, files };
}

async function split(body: Uint8Array, contentType: string) {
  // Loaded with the first such body: most servers never see one.
  const { Busboy } = await import("@fastify/busboy");
  return new Promise<{ readonly fields: Pair[]; readonly chunks: Map<string, Uint8Array[]> }>((resolve, reject) => {
    const fields: Pair[] = [];
    const chunks = new Map<string, Uint8Array[]>();
    const refuse = (why: string) =>
      reject(new RegistryError("badRequest", `the body is not readable as multipart/form-data (${why})`));
    let busboy: BusboyInstance;
    try {
      const limits = { parts: PARTS_MAX, fieldNameSize: NAME_BYTES_MAX, fieldSize: body.length };
      busboy = new Busboy({ headers: { "content-type": contentType }, limits });
    } catch (thrown) {
      return refuse((thrown as Error).message);
    }
    busboy.on("field", (name, value) => fields.push([name, value]));
    busboy.on("file", (name, stream) => {
      const pieces: Uint8Array[] = [];
      stream.on("data", (chunk: Uint8Array) => pieces.push(chunk));
      stream.on("end", () => chunks.set(name, pieces));
      stream.on("error", (thrown) => refuse(thrown.message));
    });
    busboy.on("partsLimit", () => refuse(`more than ${PARTS_MAX} parts`));
    busboy.on("error", (thrown) => refuse((thrown as Error).message));
    busboy.on("finish", () => resolve({ fields, chunks }));
    Readable.from(slicesOf(body)).pipe(busboy);
  });
}

async function* slicesOf(body: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < body.length; from += SLICE_BYTES) {
    if (from > 0) await turn();
    yield body.subarray(from, from + SLICE_BYTES);
  }
}

async function joined(pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  const whole = Buffer.allocUnsafe(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  let copied = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
    copied += piece.length;
    if (copied < COPY_BYTES) continue;
    copied = 0;
    await turn();
  }
  return whole;
}
