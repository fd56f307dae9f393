import type { Outcome, RunChange } from "../tracking-store.js";
import type { WriteItem } from "./apart.js";
import { type Database, real, type Statement } from "./driver.js";
import { type Plan, Planner, type PlanOptions, type Step } from "./plan.js";
import type { Schema } from "./schema.js";
import type { SqlRow } from "./sql-values.js";
import { type StatementName, statements } from "./statements.js";

/** Carries plans out with prepared statements, on the event loop, in one open database; the caller holds the transaction. */
export class SqlWriter {
  readonly #db: Database;
  readonly #texts: Readonly<Record<StatementName, string>>;
  readonly #prepared = new Map<StatementName, Statement>();
  readonly #planner: Planner;

  constructor(db: Database, schema: Schema, { locate, now, id }: Pick<PlanOptions, "locate" | "now" | "id">) {
    this.#db = db;
    this.#texts = statements(schema);
    this.#planner = new Planner({ schema, locate, now, id, double: real });
  }

  /** Forgets what only holds within one transaction. */
  begin(): void {
    this.#planner.begin();
  }

  /** Writes one change, its items each apart if need be; what it refuses as a whole, it refuses before anything of it is written. */
  write(change: RunChange, apart?: WriteItem): Outcome {
    return this.#carryOut(this.#planner.write(change, apart !== undefined), apart);
  }

  #carryOut<R>(plan: Plan<R>, apart: WriteItem | undefined): R {
    let next = plan.next();
    while (!next.done) next = plan.next(this.#execute(next.value, apart));
    return next.value;
  }

  #execute(step: Step, apart: WriteItem | undefined): number | SqlRow | undefined {
    if (step.kind === "item") return void apart?.(step.what, step.item, () => this.#carryOut(step.plan, apart));
    const { kind, rows } = step;
    const statement = this.#statement(step.statement);
    if (kind === "read") return statement.get(...(rows[0] ?? []));
    if (kind === "count") return Number(statement.run(...(rows[0] ?? [])).changes);
    for (const row of rows) statement.run(...row);
    return undefined;
  }

  #statement(name: StatementName): Statement {
    let statement = this.#prepared.get(name);
    if (statement === undefined) {
      statement = this.#db.prepare(this.#texts[name]);
      this.#prepared.set(name, statement);
    }
    return statement;
  }
}
