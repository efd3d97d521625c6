import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Server } from "node:http";
import { test } from "node:test";
import { turn } from "../../storage/turn.ts";
import { letGoInTurns } from "./left-sockets.ts";

test("connections that end in one moment are let go of a hundred per turn", async () => {
  const server = new EventEmitter();
  const perTurn = [0];
  letGoInTurns(server as Server, async () => {
    await turn();
    perTurn.push(0);
  });
  const sockets = Array.from({ length: 250 }, () =>
    Object.assign(new EventEmitter(), { end: () => perTurn.push((perTurn.pop() ?? 0) + 1) }),
  );
  for (const socket of sockets) server.emit("connection", socket);
  for (const socket of sockets) socket.emit("end");
  assert.deepEqual(perTurn, [0], "nothing in the turn in which they ended");
  while (perTurn.length < 4) await turn();
  await turn();
  assert.deepEqual(perTurn, [0, 100, 100, 50]);
  sockets[0]?.emit("end");
  while (perTurn.length < 5) await turn();
  assert.equal(perTurn[4], 1, "one that comes later is let go of as well");
});
