import { BETA_GRAY, FAILURES, TAG_GRAY_PREFIX } from "@nacre/protocol";
import { resultFailure } from "../../transport/http/answers.ts";
import type { Call } from "../../transport/http/call.ts";
import type { Params } from "../../transport/http/params.ts";
import type { Route } from "../../transport/http/route.ts";
import { v3 } from "../../transport/http/rows.ts";
import type { ConfigHttpDeps } from "../http-common/deps.ts";
import { largeResult } from "../http-common/large-answers.ts";
import { askingIn, nameIn, V3 } from "../http-common/names.ts";

/** `/v3/client/cs`: what clients without gRPC read. Encrypted contents are for the client to decrypt. */
export function configV3ClientRoutes({ configs }: Pick<ConfigHttpDeps, "configs">): readonly Route[] {
  return [
    v3("GET", "/v3/client/cs/config", async (params: Params, call: Call) => {
      const read = await configs.read(nameIn(params, V3), askingIn(params, call));
      const { api, text } = FAILURES.configNotFound;
      // Any status but 200 would make a client look for another server.
      if (!read.found) return resultFailure(200, api, text, null);
      const { content, version, gray } = read;
      return largeResult({
        resultCode: 200,
        errorCode: 0,
        message: null,
        requestId: null,
        content,
        encryptedDataKey: version.encryptedDataKey === "" ? null : version.encryptedDataKey,
        contentType: version.type,
        md5: version.md5,
        lastModified: version.modifiedAt,
        tag: gray?.name.startsWith(TAG_GRAY_PREFIX) === true ? gray.name.slice(TAG_GRAY_PREFIX.length) : null,
        beta: gray?.name === BETA_GRAY,
        success: true,
      });
    }),
  ];
}
