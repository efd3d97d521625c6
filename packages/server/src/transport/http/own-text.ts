/** Texts shorter than this are copied anyway when they are cut out of another. */
const SHARED_FROM = 13;

/**
 * The text in memory of its own. A piece of a string points into the whole, so that a name of a few letters, kept as long
 * as its instance, would keep the megabytes of the request that it came in.
 *
 * @param lengthMax  what is longer is cut off.
 */
export function ownText(text: string, lengthMax = Number.POSITIVE_INFINITY): string {
  const wanted = text.length > lengthMax ? text.slice(0, lengthMax) : text;
  return wanted.length < SHARED_FROM ? wanted : Buffer.from(wanted).toString();
}
