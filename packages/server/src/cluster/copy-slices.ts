import type { Effect } from "@nacre/core/distro";
import type { Event } from "@nacre/core/naming";
import { type ServiceKey, serviceKey } from "@nacre/protocol";

type Apply = Extract<Effect, { type: "apply" }>;
type Copy = Extract<Event, { type: "copy" }>;

/** Instances, and services, that naming takes in a millisecond or two. */
const SLICE_MAX = 250;

/** What naming is to be told of a client of another member, in so many events that none of them takes long. */
export function* copiesOf({ clientId, kind, version, contents, contentHash, base }: Apply): Generator<Copy> {
  const whole: Copy = { type: "copy", clientId, kind, version, contents };
  if (base !== undefined) yield { ...whole, part: { base, contentHash } };
  else if (isSmall(contents)) yield whole;
  else yield* slicesOf(whole);
}

function isSmall({ publications }: Copy["contents"]): boolean {
  let left = SLICE_MAX - publications.length;
  for (const { instances } of publications) {
    if (left < 0) break;
    left -= instances.length;
  }
  return left >= 0;
}

function* slicesOf(whole: Copy): Generator<Copy> {
  const { publications } = whole.contents;
  const services = new Set<ServiceKey>();
  let slice: Copy["contents"]["publications"][number][] = [];
  let size = 0;
  for (const publication of publications) {
    size += publication.instances.length + 1;
    if (size > SLICE_MAX && slice.length > 0) {
      yield { ...whole, contents: { ...whole.contents, publications: slice }, slice: "more" };
      slice = [];
      size = publication.instances.length + 1;
    }
    services.add(serviceKey(publication.service));
    slice.push(publication);
  }
  yield { ...whole, contents: { ...whole.contents, publications: slice }, slice: { services } };
}
