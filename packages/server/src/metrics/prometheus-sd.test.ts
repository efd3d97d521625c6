import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { prometheusTargets, type SdInstance } from "./prometheus-sd.ts";

function instance(given: Partial<SdInstance> = {}): SdInstance {
  const service = { namespace: "public", group: "DEFAULT_GROUP", name: "orders" };
  const flags = { healthy: true, enabled: true, ephemeral: true };
  return { service, ip: "10.1.1.5", port: 8080, cluster: "DEFAULT", weight: 1, metadata: {}, ...flags, ...given };
}
const labelsOf = (metadata: Record<string, string>) => prometheusTargets([instance({ metadata })])[0]?.labels ?? {};

describe("service discovery for Prometheus", () => {
  test("has one element per instance, with its address, its cluster and where it belongs", () => {
    assert.deepEqual(prometheusTargets([]), []);
    assert.deepEqual(prometheusTargets([instance({ healthy: false, metadata: { zone: "a" } })]), [
      {
        targets: ["10.1.1.5:8080"],
        labels: {
          zone: "a",
          __meta_clusterName: "DEFAULT",
          __meta_nacre_namespace: "public",
          __meta_nacre_group: "DEFAULT_GROUP",
          __meta_nacre_service: "orders",
          __meta_nacre_healthy: "false",
          __meta_nacre_enabled: "true",
          __meta_nacre_ephemeral: "true",
          __meta_nacre_weight: "1",
        },
      },
    ]);
  });

  test("writes an IPv6 address in brackets", () => {
    assert.deepEqual(prometheusTargets([instance({ ip: "fd00::1" })])[0]?.targets, ["[fd00::1]:8080"]);
  });

  test("turns metadata into labels; the last of two keys that collide wins", () => {
    const labels = labelsOf({
      "preserved.register.source": "SPRING_CLOUD",
      "a-b": "1",
      "a.b": "2",
      "7x": "y",
      "": "z",
    });
    assert.equal(labels.preserved_register_source, "SPRING_CLOUD");
    assert.equal(labels.a_b, "2");
    assert.equal(labels._7x, "y");
    assert.equal(labels._, "z");
  });

  test("does not let metadata change the address or our own labels", () => {
    const labels = labelsOf({ __address__: "10.9.9.9:1", "__address-_": "10.9.9.9:2", __meta_nacre_service: "other" });
    assert.equal(labels.__address__, undefined);
    assert.equal(labels.__meta_nacre_service, "orders");
  });

  test("gives names that every Prometheus takes, whatever the metadata", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (metadata) => {
        for (const name of Object.keys(labelsOf(metadata))) assert.match(name, /^[a-zA-Z_][a-zA-Z0-9_]*$/);
      }),
    );
  });
});
