import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { configKey } from "@nacre/protocol";
import { config } from "@nacre/testkit/config-bench";
import { ConfigLog } from "@nacre/testkit/config-log";
import { choose, md5For } from "./gray.ts";
import {
  betaRule,
  betaTarget,
  compileRule,
  type GrayRule,
  grayMatches,
  grayNameRefused,
  tagTarget,
} from "./gray-rule.ts";
import { findItem } from "./state.ts";
import { grayVersionOf } from "./versions.ts";

const name = config();

function rule(type: string, expr: string, priority = 0): GrayRule {
  return { type, version: "1.0.0", expr, priority };
}

function matches({ type, expr }: GrayRule, labels: Record<string, string>, of = name): boolean {
  const head = { md5: "", bytes: 0, encryptedDataKey: "", type: "text", revision: 1, modifiedAt: 1 } as const;
  return grayMatches(grayVersionOf(head, "x", rule(type, expr), configKey(of)), labels);
}

function refusedFor(given: GrayRule): string {
  const compiled = compileRule(given, configKey(name));
  return compiled.type === "refuse" ? `${compiled.failure}: ${compiled.message}` : "";
}

/** The share of ten thousand addresses that a percentage reaches, in percent. */
function reached(expr: string, of = name): Set<number> {
  const hits = new Set<number>();
  for (let at = 0; at < 10_000; at++)
    if (matches(rule("percentage", expr), { ClientIp: `10.0.${at >> 8}.${at & 255}` }, of)) hits.add(at);
  return hits;
}

describe("a beta rule", () => {
  test("means the addresses of its list, exactly", () => {
    const list = rule("beta", "10.0.0.1, 10.0.0.2,");
    assert.ok(matches(list, { ClientIp: "10.0.0.2" }));
    assert.ok(!matches(list, { ClientIp: "10.0.0.20" }));
    assert.ok(!matches(list, {}));
  });
  test("needs an address", () => {
    assert.match(refusedFor(rule("beta", " , ")), /^grayRuleIllegal: .*at least one address/);
  });
});

describe("a tag rule", () => {
  test("means clients whose Vipserver-Tag equals the tag", () => {
    assert.ok(matches(rule("tag", "blue"), { "Vipserver-Tag": "blue" }));
    assert.ok(!matches(rule("tag", "blue"), { "Vipserver-Tag": "blu" }));
    assert.ok(!matches(rule("tag", "blue"), { tag: "blue" }));
  });
  test("takes a tag of at most 16 plain characters", () => {
    assert.equal(refusedFor(rule("tag", "a".repeat(16))), "");
    for (const bad of ["", "a".repeat(17), "a b", "ä"])
      assert.match(refusedFor(rule("tag", bad)), /^grayRuleIllegal: .*16/, `'${bad}'`);
  });
});

describe("a percentage rule", () => {
  test("reaches about its share of the addresses", () => {
    for (const percent of [0, 0.5, 20, 50, 100]) {
      const share = reached(String(percent)).size / 100;
      assert.ok(Math.abs(share - percent) < 2, `${percent} % reached ${share} %`);
    }
    assert.equal(reached("0").size, 0);
    assert.equal(reached("100").size, 10_000);
  });
  test("only adds clients when it grows", () => {
    const fewer = reached("10");
    const more = reached("25");
    assert.deepEqual(
      [...fewer].filter((at) => !more.has(at)),
      [],
    );
  });
  test("starts with other clients for another configuration", () => {
    const here = reached("20");
    const both = [...reached("20", config("other.yaml"))].filter((at) => here.has(at)).length;
    assert.ok(both > 200 && both < 700, `${both} of 2000 are in both, about 400 by chance`);
  });
  test("leaves out a client without an address", () => {
    assert.ok(!matches(rule("percentage", "100"), {}));
  });
  test("takes a number from 0 to 100", () => {
    for (const bad of ["", "-1", "101", "20%", "1.234", "a", "100.01"])
      assert.match(refusedFor(rule("percentage", bad)), /^grayRuleIllegal: .*from 0 to 100/, `'${bad}'`);
  });
});

describe("a label rule", () => {
  test("means clients of whose labels every term holds", () => {
    const both = rule("label", "zone=hz, env = gray|test");
    assert.ok(matches(both, { zone: "hz", env: "test" }));
    assert.ok(!matches(both, { zone: "hz", env: "prod" }));
    assert.ok(!matches(both, { env: "test" }));
  });
  test("takes terms of one label and its values", () => {
    for (const bad of ["", "zone", "zone=", "=hz", "zone=hz,", "zone=a||b", "zone=a=b", "a|b=c"])
      assert.match(refusedFor(rule("label", bad)), /^grayRuleIllegal: .*label=value/, `'${bad}'`);
  });
});

describe("a rule", () => {
  test("of an unknown type or version is refused by name", () => {
    assert.match(refusedFor(rule("region", "x")), /^grayRuleUnknown: .*'region'.*'percentage'/);
    assert.match(refusedFor({ ...rule("tag", "x"), version: "2.0.0" }), /^grayRuleUnknown: .*'2.0.0'/);
  });
  test("has a priority of 32 bits and an expression of bounded length", () => {
    assert.match(refusedFor(rule("tag", "x", 2 ** 31)), /^grayRuleIllegal: .*priority/);
    assert.match(refusedFor(rule("tag", "x", 0.5)), /^grayRuleIllegal: .*priority/);
    assert.match(refusedFor(rule("beta", "1".repeat(5000))), /^grayRuleIllegal: .*4096/);
  });
  test("that a stored row holds and nobody can read matches nobody", () => {
    assert.ok(!matches(rule("region", "x"), { region: "x", ClientIp: "10.0.0.1" }));
  });
});

describe("the name of a gray version", () => {
  test("a bad tag is refused by the name of its parameter, not by that of the version", () => {
    const refused = grayNameRefused(tagTarget("a b"));
    assert.deepEqual(
      [refused?.failure, refused?.message],
      ["invalidParameter", "Param 'tag' is illegal, it should be letters, digits, '_', '-', '.' or ':'."],
    );
    assert.equal(grayNameRefused(tagTarget("a-b.c:d_e")), undefined);
  });

  test("is free, except that the built-in ones belong to their rules", () => {
    assert.equal(grayNameRefused({ name: "canary", rule: rule("label", "a=b") }), undefined);
    assert.equal(grayNameRefused({ name: "second-list", rule: betaRule("10.0.0.1") }), undefined);
    assert.equal(grayNameRefused(tagTarget("blue")), undefined);
    for (const target of [
      { name: "", rule: betaRule("10.0.0.1") },
      { name: "a".repeat(129), rule: betaRule("10.0.0.1") },
      { name: "a/b", rule: betaRule("10.0.0.1") },
      { name: "beta", rule: rule("tag", "x") },
      { name: "tag_x", rule: rule("tag", "y") },
      { name: "tag_x", rule: rule("percentage", "5") },
    ])
      assert.equal(grayNameRefused(target)?.failure, "grayNameUnknown", target.name);
  });
});

describe("what a reader gets (G4)", () => {
  test("is the first gray version that matches, by priority descending, then by name", () => {
    const log = new ConfigLog();
    log.publish(name, "formal");
    log.publish(name, "low", { gray: { name: "a-low", rule: rule("label", "zone=hz", -5) } });
    log.publish(name, "second", { gray: { name: "b", rule: rule("label", "zone=hz", 7) } });
    log.publish(name, "first", { gray: { name: "a", rule: rule("label", "zone=hz|sh", 7) } });
    log.publish(name, "tagged", { gray: tagTarget("blue") });
    log.publish(name, "beta", { gray: betaTarget("10.0.0.1") });
    const item = findItem(log.state, name);
    const get = (labels: Record<string, string>, tag?: string) => choose(item, labels, tag).gray?.name ?? "formal";

    assert.deepEqual(
      item?.grays.map((gray) => gray.name),
      ["beta", "tag_blue", "a", "b", "a-low"],
    );
    assert.equal(get({ zone: "hz", "Vipserver-Tag": "blue", ClientIp: "10.0.0.1" }), "beta");
    assert.equal(get({ zone: "hz", "Vipserver-Tag": "blue" }), "tag_blue");
    assert.equal(get({ zone: "hz" }), "a");
    assert.equal(get({ zone: "other" }), "formal");
    assert.equal(md5For(item, { zone: "hz" }), item?.grays[2]?.md5);
  });
  test("is the version of an explicit tag or nothing, whatever the labels say", () => {
    const log = new ConfigLog();
    log.publish(name, "formal");
    log.publish(name, "tagged", { gray: tagTarget("blue") });
    log.publish(name, "beta", { gray: betaTarget("10.0.0.1") });
    const item = findItem(log.state, name);
    assert.equal(choose(item, { ClientIp: "10.0.0.1" }, "blue").gray?.name, "tag_blue");
    assert.equal(choose(item, { ClientIp: "10.0.0.1" }, "red").version, undefined);
    assert.equal(choose(item, {}, "").version, item?.formal, "a blank tag is none");
  });
  test("is nothing where there is nothing, with a blank md5", () => {
    assert.deepEqual(choose(undefined, {}), { version: undefined, gray: undefined });
    assert.equal(md5For(undefined, {}), "");
  });
});
