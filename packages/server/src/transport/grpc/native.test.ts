import { transportSuite } from "@nacre/testkit/transport-suite";
import { NativeTransport } from "./native.ts";

transportSuite("native", (options, handlers, clock) => new NativeTransport(options, handlers, clock));
