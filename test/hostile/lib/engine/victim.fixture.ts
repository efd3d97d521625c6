/** A client to be killed: calls that run, one that has sent half of a message, and answers that it has not read. */
import { Flag, FrameType } from "@nacre/grpc/machine";
import { data, frame, headers, windowUpdate, words } from "../../../../packages/grpc/src/http2/wire.fixture.ts";
import { CHAT, HOLD, ids, large, WATCH } from "./attack.ts";
import { RawConnection } from "./raw-connection.ts";

const server = { port: Number(process.argv[2]) };
await Promise.all(
  ids(20).map(async () => {
    const connection = await RawConnection.open(server, { more: [windowUpdate(0, 1 << 20)] });
    await connection.send(
      Buffer.concat(ids(50).map((id) => headers(id, HOLD))),
      headers(101, WATCH),
      headers(103, CHAT),
      data(103, Buffer.concat([Buffer.of(0), words(1_000_000), Buffer.alloc(10_000)])),
      large(105, 1_000_000),
      frame(FrameType.HEADERS, Flag.END_STREAM, 107, HOLD.subarray(0, 5)),
    );
    await connection.until(() => connection.dataBytes > 0);
  }),
);
process.send?.("ready");
