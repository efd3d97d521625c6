/** What a caller may do about a failure: nothing, the same call again later, or the same call at another member. */
export type Retry = "never" | "later" | "otherMember";

export interface Failure {
  /** `errorCode` of a gRPC answer. */
  readonly rpc: number;
  /** `code` of a v2 or v3 HTTP answer. */
  readonly api: number;
  /** HTTP status in every dialect. */
  readonly http: number;
  /** The generic text a v2 or v3 answer carries in `message`; the specific text goes into `data`. */
  readonly text: string;
  readonly retry: Retry;
}

/** Every failure a caller can meet: its number on each wire, and what a caller may do about it. */
export const FAILURES = {
  parameterMissing: { rpc: 400, api: 10000, http: 400, text: "parameter missing", retry: "never" },
  accessDenied: { rpc: 403, api: 10001, http: 403, text: "access denied", retry: "never" },
  dataAccess: { rpc: 500, api: 10002, http: 500, text: "data access error", retry: "later" },
  tenantError: { rpc: 400, api: 20001, http: 400, text: "'tenant' parameter error", retry: "never" },
  invalidParameter: { rpc: 400, api: 20002, http: 400, text: "parameter validate error", retry: "never" },
  mediaType: { rpc: 400, api: 20003, http: 400, text: "MediaType Error", retry: "never" },
  notFound: { rpc: 404, api: 20004, http: 404, text: "resource not found", retry: "never" },
  conflict: { rpc: 409, api: 20005, http: 409, text: "resource conflict", retry: "never" },
  // 300 over gRPC is the ordinary "no such configuration"; any other number makes SDKs serve what they kept.
  configNotFound: { rpc: 300, api: 20004, http: 404, text: "resource not found", retry: "never" },
  configConflict: { rpc: 500, api: 20005, http: 500, text: "resource conflict", retry: "never" },
  configExists: { rpc: 500, api: 20005, http: 500, text: "resource conflict", retry: "never" },
  listenerMissing: { rpc: 400, api: 20006, http: 400, text: "config listener is null", retry: "never" },
  listenerError: { rpc: 400, api: 20007, http: 400, text: "config listener error", retry: "never" },
  dataIdError: { rpc: 400, api: 20008, http: 400, text: "invalid dataId", retry: "never" },
  parameterMismatch: { rpc: 400, api: 20009, http: 400, text: "parameter mismatch", retry: "never" },
  grayVersionsOverMax: {
    rpc: 500,
    api: 20010,
    http: 500,
    text: "config gray version version over max count",
    retry: "never",
  },
  grayRuleIllegal: { rpc: 500, api: 20011, http: 400, text: "config gray rule format invalid", retry: "never" },
  grayRuleUnknown: { rpc: 500, api: 20012, http: 400, text: "config gray rule version invalid", retry: "never" },
  grayNameUnknown: { rpc: 500, api: 20013, http: 400, text: "config gray name not recognized", retry: "never" },
  clusterQuota: { rpc: 500, api: 5031, http: 500, text: "cluster capacity reach quota", retry: "never" },
  groupQuota: { rpc: 500, api: 5032, http: 500, text: "group capacity reach quota", retry: "never" },
  namespaceQuota: { rpc: 500, api: 5033, http: 500, text: "tenant capacity reach quota", retry: "never" },
  contentOverSize: { rpc: 500, api: 5034, http: 500, text: "config content size is over limit", retry: "never" },
  weightError: { rpc: 400, api: 21001, http: 400, text: "weight error", retry: "never" },
  metadataError: { rpc: 400, api: 21002, http: 400, text: "instance metadata error", retry: "never" },
  instanceNotFound: { rpc: 404, api: 21003, http: 404, text: "instance not found", retry: "never" },
  instanceError: { rpc: 400, api: 21004, http: 400, text: "instance error", retry: "never" },
  serviceMetadataError: { rpc: 400, api: 21005, http: 400, text: "service metadata error", retry: "never" },
  selectorError: { rpc: 400, api: 21006, http: 400, text: "selector error", retry: "never" },
  serviceExists: { rpc: 400, api: 21007, http: 400, text: "service already exist", retry: "never" },
  serviceNotFound: { rpc: 404, api: 21008, http: 400, text: "service not exist", retry: "never" },
  serviceNotEmpty: { rpc: 400, api: 21009, http: 400, text: "service delete failure", retry: "never" },
  healthyParamMissing: { rpc: 400, api: 21010, http: 400, text: "healthy param miss", retry: "never" },
  healthCheckRunning: { rpc: 400, api: 21011, http: 400, text: "health check still running", retry: "never" },
  namespaceIllegal: { rpc: 400, api: 22000, http: 400, text: "illegal namespace", retry: "never" },
  namespaceNotFound: { rpc: 22001, api: 22001, http: 404, text: "namespace not exist", retry: "never" },
  namespaceExists: { rpc: 409, api: 22002, http: 400, text: "namespace already exist", retry: "never" },
  namespaceNotEmpty: { rpc: 409, api: 20005, http: 409, text: "resource conflict", retry: "never" },
  illegalState: { rpc: 400, api: 23000, http: 400, text: "illegal state", retry: "never" },
  serverError: { rpc: 500, api: 30000, http: 500, text: "server error", retry: "otherMember" },
  notDecryptable: { rpc: 500, api: 30000, http: 500, text: "server error", retry: "never" },
  unavailable: { rpc: 500, api: 30000, http: 503, text: "server error", retry: "otherMember" },
  // Another member could not be asked, or did not answer in time: it is not known whether it did what was asked.
  peerUnreachable: { rpc: 500, api: 30000, http: 503, text: "server error", retry: "otherMember" },
  // A change of durable data: no leader took it, or another one has its place. It will not be done.
  notApplied: { rpc: 500, api: 30000, http: 503, text: "server error", retry: "otherMember" },
  // It may be done, now or later, or not. 500 and not 503, so that no proxy repeats it by itself.
  outcomeUnknown: { rpc: 500, api: 30000, http: 500, text: "server error", retry: "never" },
  starting: { rpc: 300, api: 30000, http: 503, text: "server error", retry: "otherMember" },
  unregistered: { rpc: 301, api: 30000, http: 400, text: "connection not registered", retry: "later" },
  noHandler: { rpc: 302, api: 30000, http: 501, text: "no handler", retry: "never" },
  bodyTooLarge: { rpc: 400, api: 20002, http: 413, text: "parameter validate error", retry: "never" },
  badRequest: { rpc: 502, api: 10000, http: 400, text: "request not readable", retry: "never" },
  overThreshold: { rpc: 503, api: 30000, http: 503, text: "over threshold", retry: "later" },
  disconnected: { rpc: -401, api: 30000, http: 400, text: "client disconnected", retry: "later" },
  apiDisabled: { rpc: 501, api: 40000, http: 410, text: "API deprecated.", retry: "never" },
  functionDisabled: { rpc: 501, api: 40001, http: 410, text: "API function disabled.", retry: "never" },
  // An import that can not be read is answered with HTTP 200 and these in the body.
  importNamespaceMissing: { rpc: 500, api: 100001, http: 200, text: "namespace does not exist", retry: "never" },
  importMetadataIllegal: { rpc: 500, api: 100002, http: 200, text: "Imported metadata is invalid", retry: "never" },
  importNothingValid: { rpc: 500, api: 100003, http: 200, text: "No valid data was read", retry: "never" },
  importUnreadable: { rpc: 500, api: 100004, http: 200, text: "Failed to parse data", retry: "never" },
  importEmpty: { rpc: 500, api: 100005, http: 200, text: "Imported file data is empty", retry: "never" },
  importNothingSelected: { rpc: 500, api: 100006, http: 200, text: "No configuration selected", retry: "never" },
  fuzzyPatternsOverLimit: { rpc: 50310, api: 50310, http: 503, text: "fuzzy watch pattern over limit", retry: "later" },
  fuzzyMatchesOverLimit: {
    rpc: 50311,
    api: 50311,
    http: 503,
    text: "fuzzy watch match count over limit",
    retry: "later",
  },
} as const satisfies Record<string, Failure>;

export type FailureName = keyof typeof FAILURES;

/** The one error class of the product: a name from `FAILURES` and a sentence that names the field and the rule. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly failure: FailureName;

  constructor(failure: FailureName, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }

  /** Anything thrown, as a `RegistryError`; what is not one becomes `serverError` with the original as its cause. */
  static from(thrown: unknown): RegistryError {
    if (thrown instanceof RegistryError) return thrown;
    return new RegistryError("serverError", "the server failed to handle this request", { cause: thrown });
  }
}
