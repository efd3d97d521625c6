import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { shortestV6 } from "./address.ts";
import { BAD_LINES_MAX, LIST_ENTRIES_MAX, parseMemberList } from "./member-list.ts";

const addresses = (text: string): string[] => parseMemberList(text, 8848).entries.map(({ address }) => address);
const bad = (text: string): string[] =>
  parseMemberList(text, 8848).badLines.map(({ line, text: shown, rule }) => `${line} ${shown}: ${rule}`);

describe("a member list", () => {
  test("takes every form of a line, and comments", () => {
    const text =
      "# cluster\n10.0.0.1\n10.0.0.2:8850 # second\n\nnode-3.svc:8848,  node_4\r\n[2001:DB8:0:0::1]:9000\n[::1]";
    assert.deepEqual(addresses(text), [
      "10.0.0.1:8848",
      "10.0.0.2:8850",
      "node-3.svc:8848",
      "node_4:8848",
      "[2001:db8::1]:9000",
      "[::1]:8848",
    ]);
    assert.deepEqual(bad(text), []);
  });

  test("takes the form with a consensus port that the reference documents", () => {
    assert.deepEqual(addresses("10.0.0.1:8847?raft_port=8807"), ["10.0.0.1:8847"]);
  });

  test("merges what differs in case, in a trailing dot, or in how IPv6 is written", () => {
    assert.deepEqual(addresses("Node-0.svc.\nnode-0.SVC:8848\n[::1],[0:0:0:0:0:0:0:1]"), [
      "node-0.svc:8848",
      "[::1]:8848",
    ]);
  });

  test("has the same hash in any order and spelling, and another one for other members", () => {
    const { hash } = parseMemberList("a:1\nb:2", 8848);
    assert.equal(parseMemberList("B.:2, A:1 # same", 8848).hash, hash);
    assert.notEqual(parseMemberList("a:1", 8848).hash, hash);
  });

  test("skips lines of blanks and a byte order mark", () => {
    assert.deepEqual(addresses("\uFEFF10.0.0.1\n   \n\t\n,,"), ["10.0.0.1:8848"]);
    assert.deepEqual(bad("  \n,"), []);
  });

  test("tells bad lines by number with the rule, and keeps the good ones", () => {
    const text = "10.0.0.1\nhost:port\n10.0.0.300\nfe80::1\n[zz]:1\na b\n0.0.0.0\n:8848\n-x\na:70000\n10.0.0.2";
    assert.deepEqual(addresses(text), ["10.0.0.1:8848", "10.0.0.2:8848"]);
    assert.deepEqual(bad(text), [
      "2 host:port: port 'port' is not a number from 1 to 65535",
      "3 10.0.0.300: '10.0.0.300' is not an IPv4 address",
      "4 fe80::1: an IPv6 address stands in brackets: [address]:port",
      "5 [zz]:1: 'zz' is not an IPv6 address",
      "6 a b: holds a blank: members stand on lines of their own or between commas",
      "7 0.0.0.0: '0.0.0.0' stands for every address, not for a member",
      "8 :8848: no host before the port",
      "9 -x: '-x' is neither an IP address nor a host name",
      "10 a:70000: port '70000' is not a number from 1 to 65535",
    ]);
  });

  test("holds a bounded number of members and of bad lines, and counts the rest", () => {
    const many = parseMemberList(
      Array.from({ length: LIST_ENTRIES_MAX + 5 }, (_, at) => `node-${at}`).join("\n"),
      8848,
    );
    assert.equal(many.entries.length, LIST_ENTRIES_MAX);
    assert.equal(many.badCount, 5);
    const worse = parseMemberList("!\n".repeat(1000), 8848);
    assert.equal(worse.badLines.length, BAD_LINES_MAX);
    assert.equal(worse.badCount, 1000);
  });

  test("never throws, and reads what it has read to the same again", () => {
    const piece = fc.constantFrom("10.0.0.1", "::", "[", "]", ":", "a", ".", "8848", "\n", ",", "#", " ", "%", "0:");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((parts) => parts.join("")),
        ),
        (text) => {
          const read = addresses(text);
          assert.deepEqual(addresses(read.join("\n")), read);
        },
      ),
    );
  });
});

describe("the shortest form of an IPv6 address", () => {
  const forms: readonly [string, string | undefined][] = [
    ["::1", "::1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["10:0:0:0:0:0:0:10", "10::10"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["fe80::1%eth0", "fe80::1"],
    ["1::2::3", undefined],
    ["1:2:3", undefined],
    ["12345::", undefined],
    ["1:2:3:4:5:6:7:8::", undefined],
  ];
  for (const [text, short] of forms) test(`${text} is ${short}`, () => assert.equal(shortestV6(text), short));
});
