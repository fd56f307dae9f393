/**
 * The internal API of the HTTP integrations: what they use of the package beyond its public names. It is not exported
 * and may change in any release.
 */

export type { FollowedCall } from "../run/call/result-kind.js";
export { kindsFor } from "../run/call/streams.js";
