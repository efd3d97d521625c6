import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Event, newNaming, step } from "@nacre/core/naming";
import type { Naming } from "../naming/naming.ts";
import { forwarded, refuseForwarded } from "./forwarded-rules.ts";
import type { AddressEvent } from "./forwarding.ts";

const instance = {
  ip: "10.0.0.1",
  port: 80,
  weight: 1,
  healthy: true,
  enabled: true,
  clusterName: "",
  metadata: {},
  instanceId: "",
};
const caller = { ip: "10.0.0.1", app: "", agent: "" };
const service = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
const publish: AddressEvent = { type: "publishAddress", service, caller, instance };
const beat: AddressEvent = { type: "beat", service, caller, ip: "10.0.0.1", port: 80, instance };

function refusal(event: AddressEvent, checkParams = true): string | undefined {
  try {
    refuseForwarded(event, { checkParams });
    return undefined;
  } catch (thrown) {
    return `${(thrown as { failure?: string }).failure}: ${(thrown as Error).message}`;
  }
}

describe("a write that a member forwards", () => {
  test("is made when it keeps to the rules for clients", () => {
    const withdraw: AddressEvent = { type: "withdrawAddress", service, caller, ip: "10.0.0.1", port: 80 };
    for (const event of [publish, beat, { ...beat, instance: undefined }, withdraw])
      assert.equal(refusal(event), undefined);
  });

  test("is made while it is waited for, and not at all later: whoever waited has made it then", () => {
    const made: unknown[] = [];
    const naming = {
      isStopped: false,
      state: { options: { checkParams: true } } as Naming["state"],
      submit: (event: unknown) => {
        made.push(event);
        return undefined;
      },
    };
    assert.deepEqual(forwarded(naming, { ...beat, until: 5_000 }, 5_000), {});
    assert.deepEqual(made, [beat]);
    assert.throws(() => forwarded(naming, { ...beat, until: 5_000 }, 5_001), {
      failure: "peerUnreachable",
      message: "the write came 1 ms after its time was over",
    });
    assert.deepEqual(made, [beat]);
    const stopped = { failure: "peerUnreachable", message: "this member stops" };
    assert.throws(() => forwarded({ ...naming, isStopped: true }, { ...beat, until: 5_000 }, 5_000), stopped);
    assert.deepEqual(made, [beat], "nobody would hear of it");
  });

  test("says of a deregistration that nothing of it is held here", () => {
    const withdraw: AddressEvent = { type: "withdrawAddress", service, caller, ip: "10.0.0.1", port: 80 };
    const state = newNaming({}, 1, 0, "b");
    const naming = { isStopped: false, state, submit: (event: Event) => void step(state, event, 0) };
    assert.deepEqual(forwarded(naming, { ...withdraw, until: 0 }, 0), { isUnknown: true });
    naming.submit(publish);
    assert.deepEqual(forwarded(naming, { ...withdraw, until: 0 }, 0), {});
    assert.deepEqual(forwarded(naming, { ...withdraw, until: 0 }, 0), { isUnknown: true }, "it is taken back");
  });

  const broken: readonly (readonly [string, AddressEvent, RegExp])[] = [
    ["a blank service", { ...publish, service: { ...service, name: " " } }, /^parameterMissing: .*without a name/],
    ["a blank address", { ...beat, ip: "", instance: undefined }, /^parameterMissing: Param 'ip'/],
    ["a port above 65535", { ...beat, port: 70_000, instance: undefined }, /^invalidParameter: Param 'port'/],
    ["a heartbeat of something else", { ...beat, port: 81 }, /^invalidParameter: .*with another instance/],
  ];
  for (const [what, event, message] of broken)
    test(`is refused with ${what}, whatever the options are`, () => {
      assert.match(refusal(event) ?? "", message);
      assert.match(refusal(event, false) ?? "", message);
    });

  const named: readonly (readonly [string, AddressEvent, RegExp])[] = [
    ["group", { ...publish, service: { ...service, group: "a b" } }, /'group'/],
    ["namespace", { ...publish, service: { ...service, namespace: "a@b" } }, /'namespaceId/],
    ["service", { ...beat, service: { ...service, name: "@orders" } }, /'serviceName'/],
    ["cluster", { ...publish, instance: { ...instance, clusterName: "a/b" } }, /'cluster'/],
    ["address", { ...publish, instance: { ...instance, ip: "10.0.0 .1" } }, /'ip'/],
  ];
  for (const [what, event, message] of named)
    test(`is held against this member's rule for the name of a ${what}, unless it has none`, () => {
      assert.match(refusal(event) ?? "", message);
      assert.equal(refusal(event, false), undefined);
    });
});
