import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "@nacre/testkit/fake-clock";
import { GroupLinks } from "./group-links.ts";

function open() {
  const clock = new FakeClock();
  const links = new GroupLinks(clock, (id) => (id === "c" ? "10.0.0.3:8848" : undefined));
  const told: string[] = [];
  const sent: string[] = [];
  const down = new Map<string, number>();
  links.to = {
    received: (from, frame) => {
      told.push(`${from} ${frame[0]}`);
      return undefined;
    },
    reachable: (id) => told.push(`reachable ${id}`),
    unreachable: (id) => told.push(`unreachable ${id}`),
  };
  links.parts = {
    sendRaft: (link) => {
      sent.push(`over ${link}`);
      return true;
    },
    downSince: (id) => down.get(id),
    shown: (id) => (id === "b" ? "10.0.0.2:8848" : id),
  };
  return { clock, links, told, sent, down };
}

const frame = (byte: number) => Uint8Array.of(byte);

describe("a member of the group", () => {
  test("is in reach while there is a link to it, which is told", () => {
    const { clock, links, told, sent } = open();
    assert.equal(links.outOfReachSince("b"), clock.wall(), "never seen: since the start");
    links.send("b", frame(1));
    links.follow("b", 7);
    assert.equal(links.outOfReachSince("b"), undefined);
    links.send("b", frame(1));
    clock.advance(5_000);
    links.follow("b", undefined);
    assert.equal(links.outOfReachSince("b"), clock.wall());
    links.follow("b", 8);
    links.follow("b", 9);
    assert.deepEqual(told, ["reachable b", "unreachable b", "reachable b", "unreachable b", "reachable b"]);
    assert.deepEqual(sent, ["over 7"]);
  });

  test("is out of reach although its link stands when nobody hears it", () => {
    const { clock, links, down } = open();
    links.follow("b", 7);
    clock.advance(9_000);
    down.set("b", clock.now() - 2_000);
    assert.equal(links.outOfReachSince("b"), clock.wall() - 2_000);
    down.clear();
    assert.equal(links.outOfReachSince("b"), undefined);
  });

  test("is named by where it was found, in an earlier life too", () => {
    const { links } = open();
    assert.deepEqual(
      ["b", "c", "d"].map((id) => links.addressOf(id)),
      ["10.0.0.2:8848", "10.0.0.3:8848", "d"],
    );
  });
});

describe("a frame", () => {
  test("of a link that was followed by another one is not taken, until that one is gone", () => {
    const { links, told } = open();
    links.received(3, "b", frame(1));
    links.received(5, "b", frame(2));
    links.received(3, "b", frame(3));
    links.received(3, "c", frame(4));
    links.closed(5);
    links.received(3, "b", frame(5));
    assert.deepEqual(told, ["b 1", "b 2", "c 4", "b 5"]);
  });
});
