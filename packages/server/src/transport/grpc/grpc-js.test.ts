import { transportSuite } from "@nacre/testkit/transport-suite";
import { grpcJsTransport } from "./grpc-js.ts";

transportSuite("grpc-js", grpcJsTransport);
