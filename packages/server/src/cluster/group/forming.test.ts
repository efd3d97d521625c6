import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type FormingFacts,
  type FoundationFacts,
  formingStep,
  type Missing,
  whyApart,
  whyNotFirst,
} from "./forming.ts";

/** A member in a group with a leader. */
const IN: FormingFacts = {
  stands: true,
  isFounder: false,
  knowsGroup: true,
  isIn: true,
  hasLeader: true,
  wasRemoved: false,
  isLost: false,
  hasOthers: true,
};
const NEW: FormingFacts = { ...IN, knowsGroup: false, isIn: false, hasLeader: false, isLost: true };

describe("a member without a group", () => {
  test("founds it when the cluster id that it drew stands, and not before", () => {
    assert.equal(formingStep({ ...NEW, isFounder: true }), "found");
    assert.equal(formingStep({ ...NEW, isFounder: true, hasOthers: false }), "found");
    assert.equal(formingStep({ ...NEW, isFounder: true, stands: false }), "wait");
  });

  test("asks others when the cluster id is another's, and never founds one", () => {
    assert.equal(formingStep(NEW), "ask");
    assert.equal(formingStep({ ...NEW, hasOthers: false }), "wait");
    assert.equal(formingStep({ ...NEW, stands: false }), "wait");
  });
});

describe("a member that knows a group", () => {
  test("waits while it is in it, also through an election", () => {
    assert.equal(formingStep(IN), "wait");
    assert.equal(formingStep({ ...IN, hasLeader: false }), "wait");
  });

  test("asks when it is in it no more, or hears of no leader for longer than an election takes", () => {
    assert.equal(formingStep({ ...IN, isIn: false, hasLeader: false }), "ask");
    assert.equal(formingStep({ ...IN, hasLeader: false, isLost: true }), "ask");
  });

  test("founds no other one, although it drew the cluster id", () => {
    assert.equal(formingStep({ ...IN, isFounder: true, isIn: false, hasLeader: false }), "ask");
  });

  test("asks no more when it was taken out while it ran", () => {
    assert.equal(formingStep({ ...IN, isIn: false }), "wait", "it is being taken out");
    assert.equal(formingStep({ ...IN, isIn: false, hasLeader: false, wasRemoved: true }), "wait");
  });
});

const may = (address: string): Missing => ({ address, absence: undefined });
const gone = (address: string): Missing => ({ address, absence: { type: "unreachable", since: 1_767_225_600_000 } });
const refused = (address: string, sentence = "set the same token on all members"): Missing => ({
  address,
  absence: { type: "refused", sentence },
});
/** Of a new cluster of three whose founder stands alone. */
const ALONE: FoundationFacts = { listed: 3, voters: 1, missing: [may("b"), may("c")], mayBeTakenIn: false };

describe("the first entry of features", () => {
  test("waits until more than half of the list are voters, and says who is missing", () => {
    const why = whyNotFirst(ALONE);
    assert.match(why?.sentence ?? "", /1 of 3 are; start b, c, or correct the list/);
    assert.equal(why?.isCertain, false);
    assert.equal(whyNotFirst({ ...ALONE, voters: 2, missing: [may("c")] }), undefined);
  });

  test("does not begin in either half of a new cluster", () => {
    assert.notEqual(whyNotFirst({ ...ALONE, listed: 4, voters: 2, missing: [may("c"), may("d")] }), undefined);
    assert.equal(whyNotFirst({ ...ALONE, listed: 4, voters: 3, missing: [may("d")] }), undefined);
  });

  test("needs nobody at a member alone, once it is a voter", () => {
    const only = { ...ALONE, listed: 1, missing: [] };
    assert.equal(whyNotFirst(only), undefined);
    assert.match(whyNotFirst({ ...only, voters: 0 })?.sentence ?? "", /in no group yet/);
  });

  test("cannot come for sure when too many are out of reach, which is told with since when", () => {
    assert.deepEqual(whyNotFirst({ ...ALONE, voters: 0, missing: [gone("b"), gone("c")] }), {
      isCertain: true,
      sentence:
        "2 of 3 members are needed before this cluster takes durable data; b and c are out of reach since 00:00:00 UTC: " +
        "start them, or correct the list of members",
    });
    assert.equal(whyNotFirst({ ...ALONE, missing: [gone("b"), may("c")] })?.isCertain, false, "c may still come");
  });

  test("is not hopeless while somebody in reach may have a group that takes this member in", () => {
    const stale = { ...ALONE, listed: 5, voters: 0, missing: [may("b"), gone("c"), gone("d"), gone("e")] };
    assert.equal(whyNotFirst({ ...stale, mayBeTakenIn: true })?.isCertain, false);
    assert.equal(whyNotFirst(stale)?.isCertain, true);
  });

  test("is told of refusals, once for all of one reason, and nobody is told to start who runs and was refused", () => {
    const why = whyNotFirst({ ...ALONE, voters: 0, missing: [refused("b"), refused("c")] });
    assert.equal(why?.isCertain, true);
    assert.match(why?.sentence ?? "", /; nobody at b and c is in one cluster with this member: set the same token/);
    assert.doesNotMatch(why?.sentence ?? "", /start/);
    const one = whyNotFirst({ ...ALONE, missing: [refused("b"), may("c")] })?.sentence ?? "";
    assert.match(one, /start c, or correct the list of members; nobody at b is in one cluster/);
  });
});

describe("a group of one", () => {
  test("takes no writes while so many of its list refuse it that no majority of that is left", () => {
    const sentence = whyApart({ ...ALONE, missing: [refused("b"), refused("c")] }) ?? "";
    assert.match(sentence, /names a cluster that it is no part of.*nobody at b and c is in one cluster.*same token/);
    assert.notEqual(whyApart({ listed: 2, voters: 1, missing: [refused("b")] }), undefined);
  });

  test("goes on alone, beside members that are not there, and beside few that were refused", () => {
    assert.equal(whyApart({ listed: 1, voters: 1, missing: [] }), undefined);
    assert.equal(whyApart({ ...ALONE, missing: [gone("b"), gone("c")] }), undefined);
    assert.equal(whyApart({ ...ALONE, missing: [refused("b"), gone("c")] }), undefined);
  });
});
