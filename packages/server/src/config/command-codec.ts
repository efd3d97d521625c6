import type { ConfigCommand, Content } from "@nacre/core/config";

/**
 * How commands are written into the log: as JSON, and where they carry contents as
 *
 *     command as JSON, with blank contents \n list of the contents' bytes as JSON \n contents in UTF-8, one after the other
 *
 * so that 10 MiB are neither escaped nor parsed. JSON holds no line break of its own. A zero character, which the log
 * keeps for itself, is written as the byte FF, which UTF-8 never uses. Contents are Unicode: half a surrogate pair comes
 * back as U+FFFD, which its MD5 had been computed over.
 */
const LINE_BREAK = 0x0a;
const ZERO = 0x00;
const NOT_UTF8 = 0xff;

interface AnyCommand {
  readonly type: string;
}

export function encodeCommand(command: AnyCommand): Uint8Array {
  const contents = contentsOf(command);
  if (contents.length === 0) return Buffer.from(JSON.stringify(command));
  const blank = withContents(
    command,
    contents.map(() => ""),
  );
  const sizes = contents.map(({ text }) => Buffer.byteLength(text));
  const head = Buffer.from(`${JSON.stringify(blank)}\n${JSON.stringify(sizes)}\n`);
  const payload = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size, head.length));
  head.copy(payload);
  let offset = head.length;
  for (const { text } of contents) offset += payload.write(text, offset);
  replaceBytes(payload.subarray(head.length), ZERO, NOT_UTF8);
  return payload;
}

/**
 * @param look  is given the type before anything else is read: how a command of another one goes on is not known. It may throw.
 * @throws Error for a payload that `encodeCommand` did not make; nothing else.
 */
export function decodeCommand<C extends AnyCommand>(payload: Uint8Array, look: (type: string) => void = () => {}): C {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  const headEnd = bytes.indexOf(LINE_BREAK);
  const command = commandOf(headEnd === -1 ? bytes : bytes.subarray(0, headEnd));
  look(command.type);
  if (headEnd === -1) return command as C;
  const sizesEnd = bytes.indexOf(LINE_BREAK, headEnd + 1);
  const sizes = sizesEnd === -1 ? undefined : parse(bytes.subarray(headEnd + 1, sizesEnd));
  if (!isSizes(sizes) || sizes.length !== contentsOf(command).length) throw damaged("the list of its contents");
  let offset = sizesEnd + 1;
  if (sizes.reduce((sum, size) => sum + size, offset) !== bytes.length) throw damaged("the size of its contents");
  const texts = sizes.map((size) => {
    const start = offset;
    offset += size;
    return textOf(bytes.subarray(start, offset));
  });
  return withContents(command, texts) as AnyCommand as C;
}

/** The codec of a log whose commands are those of configuration and others, which go as JSON. */
export function commandCodec<C extends AnyCommand>() {
  return { encode: (command: C) => encodeCommand(command), decode: (payload: Uint8Array) => decodeCommand<C>(payload) };
}

/** The contents that a command carries, in a fixed order. Also of a command that was read: nothing is taken for granted. */
function contentsOf(command: AnyCommand): Content[] {
  const { type, content, items } = command as AnyCommand & { content?: unknown; items?: unknown };
  if (type !== "publishConfig" && type !== "stageConfigs") return [];
  if (type === "stageConfigs" && !Array.isArray(items)) throw damaged("the list of its items");
  const found: unknown[] = Array.isArray(items) && type === "stageConfigs" ? items.map(contentOf) : [content];
  if (!found.every(isContent)) throw damaged("one of its contents");
  return found;
}

function withContents(command: AnyCommand, texts: readonly string[]): AnyCommand {
  const known = command as ConfigCommand;
  if (known.type === "publishConfig") {
    const published: ConfigCommand = { ...known, content: { ...known.content, text: texts[0] ?? "" } };
    return published;
  }
  if (known.type !== "stageConfigs") return command;
  const items = known.items.map((item, at) => ({ ...item, content: { ...item.content, text: texts[at] ?? "" } }));
  const staged: ConfigCommand = { ...known, items };
  return staged;
}

const contentOf = (item: { content?: unknown } | null): unknown => item?.content;

const isContent = (value: unknown): value is Content =>
  typeof value === "object" && value !== null && "text" in value && typeof value.text === "string";

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

function commandOf(bytes: Buffer): AnyCommand {
  const command = parse(bytes);
  if (typeof command === "object" && command !== null && "type" in command && typeof command.type === "string")
    return command as AnyCommand;
  throw damaged("its type");
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    throw damaged("its JSON");
  }
}

function textOf(bytes: Buffer): string {
  if (!bytes.includes(NOT_UTF8)) return bytes.toString();
  const copy = Buffer.from(bytes);
  replaceBytes(copy, NOT_UTF8, ZERO);
  return copy.toString();
}

function replaceBytes(bytes: Buffer, what: number, by: number): void {
  for (let at = bytes.indexOf(what); at !== -1 && at < bytes.length; at += 1) if (bytes[at] === what) bytes[at] = by;
}

const damaged = (what: string) => new Error(`a command of the log cannot be read: ${what} is damaged`);
