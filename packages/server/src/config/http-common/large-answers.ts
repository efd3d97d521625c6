import { hasLarge, jsonPieces } from "../../large-text.ts";
import { type Answer, json, jsonText, result } from "../../transport/http/answers.ts";

type Fields = Readonly<Record<string, unknown>>;

/** `json` for an object with contents, which may be large: then the event loop is free while it is written. */
export async function largeJson(fields: Fields): Promise<Answer> {
  return hasLarge(fields) ? jsonText(Buffer.concat(await jsonPieces(fields))) : json(fields);
}

/** The same for `result`. */
export async function largeResult(data: Fields): Promise<Answer> {
  if (!hasLarge(data)) return result(data);
  const head = Buffer.from('{"code":0,"message":"success","data":');
  return jsonText(Buffer.concat([head, ...(await jsonPieces(data)), Buffer.from("}")]));
}
