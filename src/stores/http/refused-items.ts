import type { Tag } from "../../base/entities.js";
import { type MlflowError, PulseError } from "../../base/errors.js";
import { cutText } from "../../base/text/keys.js";
import { TAG_PREFIX } from "../../contracts/refused-tags.js";
import type { RefusedItems } from "../../contracts/tracking-store.js";
import type { Items } from "../../http/answers.js";

/**
 * How many refused keys are remembered, so that they are not searched for in each batch, and for how long, since
 * servers are upgraded.
 */
const MAX_KEYS = 10_000;
const REMEMBERED_MS = 10 * 60_000;
/** The server's message for a key that it never accepts. */
const ABOUT_KEY = /names? may only|invalid \w+ name/i;
const LISTS = { metric: "metrics", param: "params", tag: "tags" } as const;

type What = Exclude<RefusedItems["what"], "input">;
type Item = Items["metrics"][number] | Tag;

/** The items of one kind and key. */
interface Group {
  readonly what: What;
  readonly key: string;
  readonly items: readonly Item[];
}

/** Sends all items or none. Returns the server's refusal; throws any other failure. */
type Send = (items: Items) => Promise<MlflowError | undefined>;

/** Whether a refusal may be about single items. */
export function isAboutItems(refused: MlflowError | undefined): refused is MlflowError {
  return refused?.httpStatus === 400 && refused.errorCode !== "RESOURCE_ALREADY_EXISTS";
}

/**
 * Finds the items that a server refuses by bisecting a batch: a few requests per refused item, never more than two per
 * item, and everything else is stored.
 */
export class RefusedItemsFinder {
  readonly #uri: string;
  readonly #keys = new Map<string, PulseError>();
  #since = 0;
  #withoutColons = false;

  constructor(uri: string) {
    this.#uri = uri;
  }

  /**
   * Returns the items worth sending. Items that no server accepts, or that this one has refused, are added to
   * `refused`.
   */
  pick(items: Items, refused: RefusedItems[]): Items {
    if (performance.now() - this.#since > REMEMBERED_MS) {
      this.#since = performance.now();
      this.#keys.clear();
      this.#withoutColons = false;
    }
    const whole = (number: number): boolean => Number.isSafeInteger(number);
    if (
      this.#keys.size === 0 &&
      !this.#withoutColons &&
      items.metrics.every(({ timestamp, step }) => whole(timestamp) && whole(step))
    )
      return items;
    const kept = groupsOf(items).flatMap((group): Group[] => {
      const { what, key } = group;
      const known = this.#keys.get(`${what} ${key}`);
      if (known) refused.push({ what, key, items: group.items.length, error: known });
      if (known) return [];
      const good = group.items.filter((item) => !("step" in item) || (whole(item.timestamp) && whole(item.step)));
      const bad = group.items.length - good.length;
      const detail = `${shown(group)} is not stored: its timestamp and step must be integers a server can hold.`;
      if (bad > 0) refused.push({ what, key, items: bad, error: new PulseError("INVALID_VALUE", detail) });
      return good.length > 0 ? [this.#spelled({ ...group, items: good })] : [];
    });
    return itemsOf(kept);
  }

  /** Sends everything that the server accepts of a refused batch; the rest is added to `refused`. */
  async find(items: Items, why: MlflowError, send: Send, refused: RefusedItems[]): Promise<void> {
    const attempt = (groups: readonly Group[], colons = true): Promise<MlflowError | undefined> =>
      send(itemsOf(groups.map((group) => this.#spelled(group, colons))));

    /** `sent`: exactly these groups were refused, not these together with others. */
    const halves = async (groups: readonly Group[], reason: MlflowError, sent: boolean): Promise<void> => {
      const [only] = groups;
      if (groups.length === 1 && only) {
        const own = sent ? reason : await attempt(groups);
        return own && one(only, own);
      }
      const middle = groups.length >> 1;
      const [first, second] = [groups.slice(0, middle), groups.slice(middle)];
      const firstReason = await attempt(first);
      if (firstReason) await halves(first, firstReason, true);
      // If the first half is fine, the second one is not.
      const secondReason = firstReason ? await attempt(second) : reason;
      if (secondReason) await halves(second, secondReason, firstReason !== undefined);
    };

    const one = async (group: Group, reason: MlflowError): Promise<void> => {
      const aboutKey = ABOUT_KEY.test(reason.serverMessage);
      // Servers before 2.20 do not accept colons in keys.
      if (aboutKey && !this.#withoutColons && group.key.includes(":") && !(await attempt([group], false))) {
        this.#withoutColons = true;
        return;
      }
      const alone = group.items.map((item): Group => ({ ...group, items: [item] }));
      const [first, last] = [alone[0] as Group, alone.at(-1) as Group];
      if (aboutKey || first === last) return set(group, reason, aboutKey);
      // If both the first and the last item are refused on their own, it is the key; otherwise it is some of the items.
      if ((await attempt([first])) && (await attempt([last]))) set(group, reason, true);
      else await halves(alone, reason, true);
    };

    const set = ({ what, key, items }: Group, reason: MlflowError, forGood: boolean): void => {
      const detail = `${shown({ what, key })} is not stored, ${this.#uri} refuses it (${reason.serverMessage}). Everything else is.`;
      const error = new PulseError("REJECTED", detail, reason);
      refused.push({ what, key, items: items.length, error });
      if (forGood && this.#keys.size < MAX_KEYS) this.#keys.set(`${what} ${key}`, error);
    };

    await halves(groupsOf(items), why, true);
  }

  #spelled(group: Group, colons = true): Group {
    if ((colons && !this.#withoutColons) || !group.key.includes(":")) return group;
    const key = group.key.replaceAll(":", "_");
    return { ...group, key, items: group.items.map((item) => ({ ...item, key })) };
  }
}

/** Whether it is not one of our own tags about refused items. */
export const isOfUser = ({ what, key }: RefusedItems): boolean => what !== "tag" || !key.startsWith(TAG_PREFIX);

const shown = ({ what, key }: Pick<Group, "what" | "key">): string =>
  `${what[0]?.toUpperCase()}${what.slice(1)} ${JSON.stringify(cutText(key, 100))}`;

function groupsOf(items: Items): Group[] {
  const groups = new Map<string, Group & { items: Item[] }>();
  for (const what of Object.keys(LISTS) as What[])
    for (const item of items[LISTS[what]]) {
      const name = `${what} ${item.key}`;
      const group = groups.get(name);
      if (group) group.items.push(item);
      else groups.set(name, { what, key: item.key, items: [item] });
    }
  return [...groups.values()];
}

function itemsOf(groups: readonly Group[]): Items {
  const of = <T>(wanted: What): T[] => groups.flatMap(({ what, items }) => (what === wanted ? (items as T[]) : []));
  return { metrics: of("metric"), params: of("param"), tags: of("tag") };
}
