import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Offenders } from "./offenders.ts";

/** Notes as many offences of each address as make it suspect. */
function offended(...addresses: readonly string[]): Offenders {
  const offenders = new Offenders();
  for (const address of addresses) for (let nth = 0; nth < 20; nth++) offenders.note(address, 0);
  return offenders;
}

const suspects = (offenders: Offenders, address: string, now = 0): boolean =>
  offenders.suspect(address, now) !== undefined;

describe("an address whose connections break rules", () => {
  test("is suspect after twenty of them at once, and others are not", () => {
    const offenders = new Offenders();
    for (let nth = 0; nth < 19; nth++) offenders.note("10.0.0.1", 0);
    assert.ok(!suspects(offenders, "10.0.0.1"));
    offenders.note("10.0.0.1", 0);
    assert.ok(suspects(offenders, "10.0.0.1"));
    assert.ok(!suspects(offenders, "10.0.0.2"));
  });

  test("may do so five times a second without end: it may be that of many", () => {
    const offenders = new Offenders();
    for (let at = 0; at < 1e6; at += 200) {
      offenders.note("10.0.0.1", at);
      assert.ok(!suspects(offenders, "10.0.0.1", at));
    }
  });

  test("is forgiven soon: what came while it was suspect, too", () => {
    const offenders = offended("10.0.0.1");
    const suspect = offenders.suspect("10.0.0.1", 0);
    assert.ok(suspect?.lacks(1, 199));
    assert.ok(suspect?.lacks(1, 200) === false);
    for (let nth = 0; nth < 10_000; nth++) offenders.note("10.0.0.1", 1000);
    assert.ok(suspects(offenders, "10.0.0.1", 5000));
    assert.ok(!suspects(offenders, "10.0.0.1", 5200));
  });

  test("of version 6 stands for its network of 64 bits", () => {
    const offenders = offended("2001:db8:0:7::1", "::1");
    for (const same of ["2001:db8:0:7:ffff::2", "2001:db8:0:7:1:2:3:4"]) assert.ok(suspects(offenders, same), same);
    for (const other of ["2001:db8:0:8::1", "2001:db8::7:0:0:1"]) assert.ok(!suspects(offenders, other), other);
    assert.ok(suspects(offenders, "::2"));
  });

  test("is forgotten when ten thousand others came after it", () => {
    const offenders = offended("10.0.0.1", "10.0.0.2");
    for (let nth = 0; nth < 9998; nth++) offenders.note(`11.0.${nth >> 8}.${nth & 255}`, 0);
    offenders.note("10.0.0.1", 0);
    offenders.note("12.0.0.1", 0);
    assert.ok(suspects(offenders, "10.0.0.1"));
    assert.ok(!suspects(offenders, "10.0.0.2"));
  });
});
