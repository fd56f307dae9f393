import type { Outcome, RunChange } from "../../contracts/tracking-store.js";
import { type Database, real, type Statement } from "./driver.js";
import { type Plan, Planner, type PlanOptions, type Step } from "./plan.js";
import type { WriteItem } from "./refused-items.js";
import type { Schema } from "./schema.js";
import type { SqlRow, SqlValue } from "./sql-values.js";
import { type StatementName, statements } from "./statements.js";

/** Executes plans with prepared statements, synchronously, on an open database. The caller holds the transaction. */
export class SqlWriter {
  readonly #db: Database;
  readonly #texts: Readonly<Record<StatementName, string>>;
  readonly #prepared: { [name in StatementName]?: Statement } = {};
  readonly #planner: Planner;

  constructor(db: Database, schema: Schema, { locate, now, id }: Pick<PlanOptions, "locate" | "now" | "id">) {
    this.#db = db;
    this.#texts = statements(schema);
    this.#planner = new Planner({ schema, locate, now, id, double: real });
  }

  /** Drops what is only valid within one transaction. */
  begin(): void {
    this.#planner.begin();
  }

  /**
   * Writes one change, with `apart` item by item. A change that is refused as a whole is refused before anything of it
   * is written.
   */
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
    const first = rows[0] as readonly SqlValue[];
    if (kind === "read") return statement.get(...first);
    if (kind === "count") return Number(run(statement, first).changes);
    for (const row of rows) run(statement, row);
    return undefined;
  }

  #statement(name: StatementName): Statement {
    this.#prepared[name] ??= this.#db.prepare(this.#texts[name]);
    return this.#prepared[name];
  }
}

type Values = readonly [SqlValue, SqlValue, SqlValue, SqlValue, SqlValue, SqlValue, SqlValue, SqlValue];

/**
 * Runs a statement with a row. Spreading would cost up to a tenth of the row's time, so common lengths are written out.
 */
function run(statement: Statement, row: readonly SqlValue[]): ReturnType<Statement["run"]> {
  const values = row as Values;
  switch (row.length) {
    case 3:
      return statement.run(values[0], values[1], values[2]);
    case 6:
      return statement.run(values[0], values[1], values[2], values[3], values[4], values[5]);
    case 8:
      return statement.run(values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7]);
    default:
      return statement.run(...row);
  }
}
