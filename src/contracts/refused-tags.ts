import type { Tag } from "../base/entities.js";
import { cutText } from "../base/text/keys.js";
import { LIMITS } from "../base/text/limits.js";
import type { RefusedItems } from "./tracking-store.js";

/** Prefix of the keys of tags about refused items. */
export const TAG_PREFIX = "pulse.refused." as const;

/** Builds tags that record in the run itself which of its items were refused and why. */
export function refusedTags(refused: readonly RefusedItems[]): Tag[] {
  const tags = refused.map(({ key, error }) => ({
    key: (TAG_PREFIX + key.replace(/[^\w\-. ]/gu, "_")).slice(0, LIMITS.key),
    value: cutText(error.message, LIMITS.tagValue),
  }));
  return [...new Map(tags.map((tag) => [tag.key, tag])).values()].slice(0, 100);
}
