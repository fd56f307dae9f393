import { messageOf, PulseError } from "../../base/errors.js";
import { cutText } from "../../base/text/keys.js";
import type { RefusedItems, RunChange } from "../../contracts/tracking-store.js";
import { type Database, SQLITE, sqliteCode } from "./driver.js";
import { inputItem } from "./plan.js";

/** A refusal that ended the transaction (a trigger with ROLLBACK): retry without the items refused so far. */
export class Restart extends Error {}

/** Whether a statement failed because of its values, not because of the state of the database. */
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

/** How the items of a change are written: together, or one by one. */
export type WriteItem = (what: RefusedItems["what"], item: { readonly key: string }, write: () => void) => void;

/**
 * Writes the items of a change one by one, so that one refused by a constraint or a trigger does not affect the others.
 */
export class Apart {
  readonly #db: Database;
  readonly #path: string;
  /** Keyed by what identifies an item when the change is written again: a run's start creates its tags anew. */
  readonly #refused = new Map<unknown, Omit<RefusedItems, "items" | "error"> & { readonly error: unknown }>();

  constructor(db: Database, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /**
   * Writes one item, or notes that it was refused.
   * @throws Restart if the transaction is gone; any error that is not about the item.
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

  /** Returns what was refused of a change, by key. */
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
