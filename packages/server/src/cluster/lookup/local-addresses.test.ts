import assert from "node:assert/strict";
import { isIP } from "node:net";
import type { NetworkInterfaceInfo } from "node:os";
import { describe, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { type AddressRules, type Interfaces, localAddresses, watchLocalAddresses } from "./local-addresses.ts";

const RULES: AddressRules = {
  bindAddress: "0.0.0.0",
  preferredNetworks: [],
  ignoredInterfaces: [],
  siteLocalOnly: false,
};

function up(...addresses: string[]): NetworkInterfaceInfo[] {
  return addresses.map((address) => {
    const common = { address, netmask: "", mac: "", internal: /^127\.|^::1$/.test(address), cidr: null };
    return isIP(address) === 6 ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
  });
}

const MACHINE: Interfaces = {
  lo: up("127.0.0.1", "::1"),
  eth0: up("8.8.4.4", "10.0.0.5", "fe80::1", "2001:db8::5"),
  docker0: up("172.17.0.1"),
  usb0: up("169.254.7.7", "192.168.7.2"),
};

describe("the addresses of this machine", () => {
  test("begin with the last IPv4 address of the first interface and end with the loopback", () => {
    assert.deepEqual(localAddresses(RULES, MACHINE), [
      "10.0.0.5",
      "8.8.4.4",
      "172.17.0.1",
      "192.168.7.2",
      "2001:db8::5",
      "169.254.7.7",
      "127.0.0.1",
      "::1",
    ]);
  });

  const cases: [string, Partial<AddressRules>, string[]][] = [
    ["the one that the ports are bound to", { bindAddress: "127.0.0.1" }, ["127.0.0.1", "10.0.0.5"]],
    [
      "those of a preferred network, by their beginning",
      { preferredNetworks: ["172.17."] },
      ["172.17.0.1", "10.0.0.5"],
    ],
    ["those of a preferred network, by expression", { preferredNetworks: ["192\\.168\\..*", "9"] }, ["192.168.7.2"]],
    ["IPv6 where that is preferred", { preferredNetworks: ["2001:"] }, ["2001:db8::5", "10.0.0.5"]],
    ["those of interfaces that are not ignored", { ignoredInterfaces: ["eth.*"] }, ["172.17.0.1", "192.168.7.2"]],
    ["private ones where only those are wanted", { siteLocalOnly: true }, ["10.0.0.5", "172.17.0.1", "192.168.7.2"]],
  ];
  for (const [says, rules, first] of cases) {
    test(`begin with ${says}, and leave no other out`, () => {
      const ips = localAddresses({ ...RULES, ...rules }, MACHINE);
      assert.deepEqual(ips.slice(0, first.length), first);
      assert.equal(new Set(ips).size, 8);
    });
  }

  test("are the loopback's on a machine without a network", () => {
    assert.deepEqual(localAddresses(RULES, { lo: up("127.0.0.1", "::1") }), ["127.0.0.1", "::1"]);
    assert.deepEqual(localAddresses(RULES, {}), []);
  });

  test("of this very machine have the loopback among them", () => {
    assert.ok(localAddresses(RULES).includes("127.0.0.1"));
  });

  test("are told at once and when they have changed", () => {
    const clock = new FakeClock();
    const told: (readonly string[])[] = [];
    let machine: Interfaces = { eth0: up("10.0.0.5") };
    const addresses = watchLocalAddresses(
      { clock, rules: RULES, refreshMs: 30_000, interfaces: () => machine },
      (ips) => void told.push(ips),
    );
    assert.deepEqual(told, [["10.0.0.5"]]);
    clock.advance(60_000);
    assert.equal(told.length, 1);
    machine = { eth0: up("10.0.0.6") };
    clock.advance(29_999);
    assert.equal(told.length, 1);
    clock.advance(1);
    assert.deepEqual([told.at(-1), addresses.ips], [["10.0.0.6"], ["10.0.0.6"]]);
    addresses.close();
    assert.equal(clock.waiting, 0);
  });

  test("stay as they were while the system does not tell them", () => {
    const clock = new FakeClock();
    let fails = false;
    const interfaces = (): Interfaces => {
      if (fails) throw new Error("uv_interface_addresses");
      return { eth0: up("10.0.0.5") };
    };
    const told: (readonly string[])[] = [];
    const addresses = watchLocalAddresses({ clock, rules: RULES, refreshMs: 30_000, interfaces }, (ips) => {
      told.push(ips);
    });
    fails = true;
    clock.advance(90_000);
    assert.deepEqual([told.length, addresses.ips], [1, ["10.0.0.5"]]);
    addresses.close();
  });
});
