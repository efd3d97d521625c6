import type { BusboyInstance } from "@fastify/busboy";
import { RegistryError } from "@nacre/protocol";
import type { Pair } from "./params-text.ts";

/** Parts of one request; an import has a file and a handful of fields. */
const PARTS_MAX = 100;
const NAME_BYTES_MAX = 256;

export interface Parts {
  readonly fields: readonly Pair[];
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/**
 * The parts of a `multipart/form-data` body that has arrived as a whole, so it is bounded by the limit of the route.
 *
 * @param contentType  as the client wrote it: the boundary is case-sensitive.
 * @throws RegistryError `badRequest` when it is not what its type says, or ends in the middle.
 */
export async function partsOf(body: Uint8Array, contentType: string): Promise<Parts> {
  // Loaded with the first such body: most servers never see one.
  const { Busboy } = await import("@fastify/busboy");
  return new Promise((resolve, reject) => {
    const fields: Pair[] = [];
    const files = new Map<string, Uint8Array>();
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
      const chunks: Uint8Array[] = [];
      stream.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      stream.on("end", () => files.set(name, Buffer.concat(chunks)));
      stream.on("error", (thrown) => refuse(thrown.message));
    });
    busboy.on("partsLimit", () => refuse(`more than ${PARTS_MAX} parts`));
    busboy.on("error", (thrown) => refuse((thrown as Error).message));
    busboy.on("finish", () => resolve({ fields, files }));
    busboy.end(body);
  });
}
