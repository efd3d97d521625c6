/** Load generator: large messages, one call after the other on each connection. */
import { answer } from "../../lib/remote.ts";
import { cpuMs } from "../../lib/vitals.ts";
import { headerBlock, RawConnection, UploadBody } from "../lib/raw-connection.ts";

const PREFIX_BYTES = 5;

export interface LargeCalls {
  readonly port: number;
  readonly connections: number;
  readonly method: string;
  readonly requestBytes: number;
  readonly answerBytes: number;
}

let failure: Error | undefined;
const connections: RawConnection[] = [];

answer({
  start: ({ port, connections: count, method, requestBytes, answerBytes }: LargeCalls) => {
    const block = headerBlock(`/bench.Echo/${method}`);
    for (let n = 0; n < count; n++) {
      const body = new UploadBody(Buffer.alloc(requestBytes, 0x61));
      let left = 0;
      const next = (): void => {
        left = answerBytes + PREFIX_BYTES;
        connection.upload(block, body);
      };
      const connection = new RawConnection(
        { port },
        {
          data: (_stream, bytes) => {
            left -= bytes;
          },
          ended: (_stream, ok) => {
            if (ok && left === 0) next();
            else failure = new Error(`a call of ${method} has failed`);
          },
          lost: (reason) => {
            failure = new Error(`a connection was lost: ${reason}`);
          },
        },
      );
      connections.push(connection);
      next();
    }
  },
  cpu: () => cpuMs(),
  stop: () => {
    for (const connection of connections.splice(0)) connection.close();
    if (failure !== undefined) throw failure;
  },
});
