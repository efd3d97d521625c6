import { type Problem, placeOf } from "./problem.ts";

/**
 * A reader of JSON's grammar that keeps offsets and builds nothing. `JSON.parse` tells a position for some errors
 * only, and none of values; this agrees with it about every text (a property test), needs no memory that grows with
 * the text, and no stack that grows with its depth beyond a small entry.
 */
export interface JsonScan {
  readonly fault: { readonly at: number; readonly what: string } | undefined;
  /** Of the deepest value on the way to the target: how many of its keys were found, and where key and value are. */
  readonly found: { readonly depth: number; readonly keyAt: number; readonly valueAt: number };
}

interface Frame {
  readonly isArray: boolean;
  index: number;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERALS = ["true", "false", "null"];

/** @param target  keys from the root to a value, array positions as decimal text. */
export function scanJson(text: string, target: readonly string[] = []): JsonScan {
  const frames: Frame[] = [];
  let at = 0;
  let fault: { at: number; what: string } | undefined;
  /** How many keys of the target lead to where we are. */
  let matched = 0;
  let found = { depth: 0, keyAt: 0, valueAt: 0 };

  const fail = (where: number, what: string): void => {
    fault ??= {
      at: where,
      what: where >= text.length ? `the text ends where ${what} is expected` : `${what} is expected`,
    };
  };
  const skipSpace = (): void => {
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return;
    }
  };
  /** Moves behind a string; its value is only made where the target asks for it. */
  const readString = (what: string): boolean => {
    if (text[at] !== '"') {
      fail(at, what);
      return false;
    }
    for (at++; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 34) {
        at++;
        return true;
      }
      if (code < 32) {
        fault = { at, what: "a control character in a text must be escaped" };
        return false;
      }
      if (code !== 92) continue;
      at++;
      const escaped = text[at] ?? "";
      if (escaped === "u") {
        if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 1, at + 5))) {
          fault = { at: at - 1, what: "\\u must be followed by four hexadecimal digits" };
          return false;
        }
        at += 4;
      } else if (escaped !== "" && !'"\\/bfnrt'.includes(escaped)) {
        fault = { at: at - 1, what: 'only " \\ / b f n r t u may follow a backslash' };
        return false;
      }
    }
    fault = { at: text.length, what: 'the text ends where " is expected' };
    return false;
  };
  /** Notes a value when its key is the next one of the target. */
  const enter = (key: () => string, keyAt: number): void => {
    const depth = frames.length - 1;
    if (matched > depth) matched = depth;
    if (matched !== depth || depth >= target.length || key() !== target[depth]) return;
    matched = depth + 1;
    found = { depth: matched, keyAt, valueAt: at };
  };
  /** From the start of a key to the start of its value. */
  const readKey = (): boolean => {
    skipSpace();
    const keyAt = at;
    if (!readString("a name in double quotes")) return false;
    const keyTo = at;
    skipSpace();
    if (text[at] !== ":") {
      fail(at, "a colon");
      return false;
    }
    at++;
    skipSpace();
    enter(() => JSON.parse(text.slice(keyAt, keyTo)) as string, keyAt);
    return true;
  };
  /** Reads one scalar, or opens a container. `opened` says that a value stands next. */
  const readValue = (): "done" | "opened" | "failed" => {
    skipSpace();
    if (frames.length === 0) found = { depth: 0, keyAt: at, valueAt: at };
    const first = text[at];
    if (first === "{" || first === "[") {
      const frame: Frame = { isArray: first === "[", index: 0 };
      frames.push(frame);
      at++;
      skipSpace();
      if (text[at] === (frame.isArray ? "]" : "}")) {
        at++;
        frames.pop();
        return "done";
      }
      if (!frame.isArray) return readKey() ? "opened" : "failed";
      enter(() => "0", at);
      return "opened";
    }
    if (first === '"') return readString("a text") ? "done" : "failed";
    const literal = LITERALS.find((word) => text.startsWith(word, at));
    NUMBER.lastIndex = at;
    const length = literal?.length ?? NUMBER.exec(text)?.[0].length ?? 0;
    if (length === 0) {
      fail(at, "a value");
      return "failed";
    }
    at += length;
    return "done";
  };
  /** After a value: closes what ends here, up to the start of the next value. */
  const readNext = (): "value" | "end" | "failed" => {
    for (;;) {
      skipSpace();
      const frame = frames.at(-1);
      if (frame === undefined) {
        if (at < text.length) fault = { at, what: "nothing may follow the value" };
        return at < text.length ? "failed" : "end";
      }
      const close = frame.isArray ? "]" : "}";
      if (text[at] === close) {
        at++;
        frames.pop();
        continue;
      }
      if (text[at] !== ",") {
        fail(at, `a comma or ${close}`);
        return "failed";
      }
      at++;
      if (!frame.isArray) return readKey() ? "value" : "failed";
      frame.index++;
      skipSpace();
      enter(() => String(frame.index), at);
      return "value";
    }
  };

  for (let running = true; running; ) {
    const value = readValue();
    running = value === "opened" || (value === "done" && readNext() === "value");
  }
  return { fault, found };
}

export function jsonProblem(text: string): Problem | undefined {
  const { fault } = scanJson(text);
  return fault === undefined ? undefined : { place: placeOf(text, fault.at), what: fault.what };
}
