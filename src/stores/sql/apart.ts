import { messageOf, PulseError } from "../../base/errors.js";
import { cutText } from "../../base/text/keys.js";
import type { RefusedItems, RunChange } from "../../contracts/tracking-store.js";
import { type Database, SQLITE, sqliteCode } from "./driver.js";
import { inputItem } from "./plan.js";

/**
 * A refusal that took the transaction with it (a trigger that says ROLLBACK): once more, without what is known by now.
 */
export class Restart extends Error {}

/** Whether a statement failed for what it was given, not for the state of the database. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof PulseError) return false;
  const code = sqliteCode(error);
  return (
    code === SQLITE.CONSTRAINT ||
    code === SQLITE.TOOBIG ||
    code === SQLITE.MISMATCH ||
    (code === undefined && !isSystem(error))
  );
}

function isSystem(error: unknown): boolean {
  return typeof (error as { errno?: unknown } | null)?.errno === "number";
}

/** How the items of a change are written: all in one go, or each apart. */
export type WriteItem = (what: RefusedItems["what"], item: { readonly key: string }, write: () => void) => void;

/**
 * Writes the items of a change each for itself, so that one that a constraint or a trigger refuses costs none of the
 * others.
 */
export class Apart {
  readonly #db: Database;
  readonly #path: string;
  /** By what an item is known by when the change is written once more: a run's start makes its tags anew. */
  readonly #refused = new Map<unknown, Omit<RefusedItems, "items" | "error"> & { readonly error: unknown }>();

  constructor(db: Database, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /**
   * Writes one item, or takes note that it is refused.
   * @throws Restart when nothing of the transaction is left; what is not about the item.
   */
  readonly write: WriteItem = (what, item, write) => {
    if (this.#refused.has(nameOf(what, item))) return;
    this.#db.exec("SAVEPOINT item");
    try {
      write();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#refused.set(nameOf(what, item), { what, key: item.key, error });
      try {
        this.#db.exec("ROLLBACK TO item");
      } catch {
        throw new Restart();
      }
    }
    this.#db.exec("RELEASE item");
  };

  /** What was refused of a change, by key. */
  refused({ metrics, params, tags, inputs }: RunChange): RefusedItems[] {
    const names = [
      ...metrics.map((metric) => nameOf("metric", metric)),
      ...params.map((param) => nameOf("param", param)),
      ...tags.map((tag) => nameOf("tag", tag)),
      ...inputs.map((input) => nameOf("input", inputItem(input))),
    ];
    const found = new Map<string, RefusedItems>();
    for (const [name, { what, key, error: cause }] of this.#refused) {
      const before = found.get(`${what} ${key}`);
      const detail = `${this.#path}: ${what} ${JSON.stringify(cutText(key, 100))} is not stored, the database refuses it (${messageOf(cause)}). Everything else is.`;
      const error = before?.error ?? new PulseError("REJECTED", detail, cause);
      const items = names.filter((each) => each === name).length;
      found.set(`${what} ${key}`, { what, key, items: items + (before?.items ?? 0), error });
    }
    return [...found.values()];
  }
}

function nameOf(what: RefusedItems["what"], item: object): unknown {
  return what === "metric" ? item : `${what} ${JSON.stringify(item)}`;
}
