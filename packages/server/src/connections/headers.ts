/** Finds headers by name in any case: in the payload's metadata, else in the `headers` object of the body. */
export function headerLookup(
  metadata: ReadonlyMap<string, string>,
  body: unknown,
): (name: string) => string | undefined {
  // Most calls carry no headers and most handlers ask for none: nothing is prepared before the first question.
  return (name) => {
    const wanted = name.toLowerCase();
    for (const [key, value] of metadata) if (key.toLowerCase() === wanted) return value;
    if (typeof body !== "object" || body === null) return undefined;
    for (const [key, value] of Object.entries(body))
      if (key.toLowerCase() === wanted && typeof value === "string") return value;
    return undefined;
  };
}
