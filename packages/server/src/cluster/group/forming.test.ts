import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type FormingFacts, formingStep, whyNotFirst } from "./forming.ts";

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

describe("the first entry of features", () => {
  test("waits until more than half of the list are voters, and says who is missing", () => {
    const missing = ["10.0.0.2:8848", "10.0.0.3:8848"];
    const sentence = whyNotFirst({ listed: 3, voters: 1, missing }) ?? "";
    assert.match(sentence, /1 of 3 are; start 10\.0\.0\.2:8848, 10\.0\.0\.3:8848, or correct the list/);
    assert.equal(whyNotFirst({ listed: 3, voters: 2, missing: missing.slice(1) }), undefined);
  });

  test("does not begin in either half of a new cluster", () => {
    assert.notEqual(whyNotFirst({ listed: 4, voters: 2, missing: ["c", "d"] }), undefined);
    assert.equal(whyNotFirst({ listed: 4, voters: 3, missing: ["d"] }), undefined);
  });

  test("needs nobody at a member alone, once it is a voter", () => {
    assert.equal(whyNotFirst({ listed: 1, voters: 1, missing: [] }), undefined);
    assert.match(whyNotFirst({ listed: 1, voters: 0, missing: [] }) ?? "", /in no group yet/);
  });
});
