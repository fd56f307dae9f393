import { types } from "node:util";
import { systemClock } from "../base/clock.js";
import type { MlflowRun, ViewType } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import { wrongInput } from "../base/wrong-input.js";
import {
  type Comparison,
  type Filter,
  inverse,
  MAX_COMPARISONS,
  MAX_TEXT,
  type Operator,
  parseFilter,
} from "../search/filter.js";
import { type Entity, isTime, RUNS } from "../search/identifiers.js";
import { distinct, type OrderBy, parseOrder } from "../search/order.js";
import { needCount, Results } from "./results.js";

/** The keys that a search knows; those of an experiment with a schema are its own. */
export interface RunKeys {
  readonly metrics: string;
  readonly params: string;
}

/** A condition that runs match. Combine it with others by `and`, `or` and `not`. */
export class Condition {
  /** @internal */
  readonly filter: Filter;

  /** @internal Use a `RunField`. */
  constructor(filter: Filter) {
    if (filter.kind !== "comparison" && filter.of.length > MAX_COMPARISONS)
      throw new PulseError("INVALID_FILTER", `A condition has ${MAX_COMPARISONS} comparisons at most.`);
    this.filter = filter;
  }

  /** Both match. */
  and(other: Condition): Condition {
    return this.#joined("and", filterOf("and", other));
  }

  /** At least one matches. */
  or(other: Condition): Condition {
    return this.#joined("or", filterOf("or", other));
  }

  /** In one level, however many there are. */
  #joined(kind: "and" | "or", other: Filter): Condition {
    const of = [this.filter, other].flatMap((each) => (each.kind === kind ? each.of : each));
    return new Condition({ kind, of });
  }

  /** Inverts the operators: what a run does not have still does not match. */
  not(): Condition {
    return new Condition(inverse(this.filter));
  }
}

/** A column that runs are ordered by. */
export class Order {
  /** @internal */
  readonly by: OrderBy;

  /** @internal Use `asc` and `desc` of a `RunField`. */
  constructor(by: OrderBy) {
    this.by = by;
  }
}

/** Something runs are ordered by. */
export class RunColumn {
  /** @internal */
  protected readonly entity: Exclude<Entity, "dataset">;
  /** @internal */
  protected readonly key: string;

  /** @internal */
  constructor(entity: Exclude<Entity, "dataset">, key: string) {
    this.entity = entity;
    this.key = key;
  }

  /** The smallest first. What is missing comes last. */
  asc(): Order {
    return new Order({ entity: this.entity, key: this.key, ascending: true });
  }

  /** The largest first. What is missing comes last. */
  desc(): Order {
    return new Order({ entity: this.entity, key: this.key, ascending: false });
  }

  /** @internal */
  protected is(operator: Operator, value: Comparison["value"]): Condition {
    return new Condition({ kind: "comparison", entity: this.entity, key: this.key, operator, value });
  }
}

/** A number of runs: the latest value of a metric, a time, or `duration` in milliseconds. */
export class NumberField extends RunColumn {
  eq(value: number | Date): Condition {
    return this.#compared("eq", "=", value);
  }
  ne(value: number | Date): Condition {
    return this.#compared("ne", "!=", value);
  }
  lt(value: number | Date): Condition {
    return this.#compared("lt", "<", value);
  }
  lte(value: number | Date): Condition {
    return this.#compared("lte", "<=", value);
  }
  gt(value: number | Date): Condition {
    return this.#compared("gt", ">", value);
  }
  gte(value: number | Date): Condition {
    return this.#compared("gte", ">=", value);
  }

  #compared(verb: string, operator: Operator, value: number | Date): Condition {
    const timed = isTime(RUNS, this.entity, this.key);
    const number = timed && types.isDate(value) ? value.getTime() : value;
    if (typeof number === "number" && Number.isFinite(number)) return this.is(operator, number);
    throw wrongInput(`${this.key}.${verb}`, "value", timed ? "a Date or milliseconds" : "a finite number", value);
  }
}

/** A text of runs: a param, a tag, or an attribute such as `status`. */
export class TextField extends RunColumn {
  eq(value: string): Condition {
    return this.is("=", this.#text("eq", value));
  }
  ne(value: string): Condition {
    return this.is("!=", this.#text("ne", value));
  }
  /** Matches a pattern with `%` (any characters) and `_` (one character). */
  like(pattern: string): Condition {
    return this.is("LIKE", this.#text("like", pattern));
  }
  /** Like `like`, whether letters are capital or small. */
  ilike(pattern: string): Condition {
    return this.is("ILIKE", this.#text("ilike", pattern));
  }
  in(values: readonly string[]): Condition {
    if (!Array.isArray(values) || values.length === 0)
      throw wrongInput(`${this.key}.in`, "values", "a list of at least one text", values);
    return this.is(
      "IN",
      values.map((value) => this.#text("in", value)),
    );
  }

  #text(verb: string, value: unknown): string {
    if (typeof value === "string" && value.length <= MAX_TEXT) return value;
    throw wrongInput(`${this.key}.${verb}`, "value", `a text of at most ${MAX_TEXT} characters`, value);
  }
}

/** A param or tag of runs, which a run may lack. */
export class KeyedText extends TextField {
  /** Runs that lack it. */
  isNull(): Condition {
    return this.is("IS NULL", undefined);
  }
  /** Runs that have it. */
  isNotNull(): Condition {
    return this.is("IS NOT NULL", undefined);
  }
}

/** The fields of runs, as a search compares and orders them. */
export class RunFields<K extends RunKeys = RunKeys> {
  /** The latest value of a metric. */
  metric(key: K["metrics"]): NumberField {
    return new NumberField("metric", needKey("metric", key));
  }
  param(key: K["params"]): KeyedText {
    return new KeyedText("param", needKey("param", key));
  }
  tag(key: string): KeyedText {
    return new KeyedText("tag", needKey("tag", key));
  }
  get status(): TextField {
    return new TextField("attribute", "status");
  }
  get runName(): TextField {
    return new TextField("attribute", "run_name");
  }
  get runId(): TextField {
    return new TextField("attribute", "run_id");
  }
  get userId(): TextField {
    return new TextField("attribute", "user_id");
  }
  get startTime(): NumberField {
    return new NumberField("attribute", "start_time");
  }
  get endTime(): NumberField {
    return new NumberField("attribute", "end_time");
  }
  /** From start to end, in milliseconds; open runs have none. */
  get duration(): NumberField {
    return new NumberField("attribute", "duration");
  }
}

/** @internal What a search for runs asks for. */
export interface RunQuery {
  readonly experimentNames: readonly string[];
  readonly experimentIds: readonly string[];
  /** Texts in MLflow's language, and filters that were built; all must match. */
  readonly conditions: readonly (string | Filter)[];
  readonly orders: readonly OrderBy[];
  readonly viewType: ViewType;
  readonly maxResults: number;
}

/** @internal Reads a page of a search for runs. */
export type RunPages = (query: RunQuery) => ConstructorParameters<typeof Results<MlflowRun>>[0];

/** @internal */
export const ALL_RUNS: RunQuery = {
  experimentNames: [],
  experimentIds: [],
  conditions: [],
  orders: [],
  viewType: "active",
  maxResults: Number.POSITIVE_INFINITY,
};

/** Runs of some experiments, to be narrowed down and ordered. Each method returns a new search. */
export class RunSearch<K extends RunKeys = RunKeys> extends Results<MlflowRun> {
  readonly #pages: RunPages;
  readonly #query: RunQuery;

  /** @internal Use `client.runs()`. */
  constructor(pages: RunPages, query: RunQuery) {
    super(pages(query), query.maxResults);
    this.#pages = pages;
    this.#query = query;
  }

  /**
   * Only runs that match: a text in MLflow's search language, or a function that builds the condition. Several calls
   * must all match.
   * @throws PulseError `INVALID_FILTER` that points at the mistake in a text.
   */
  where(condition: string | ((run: RunFields<K>) => Condition)): RunSearch<K> {
    const { conditions } = this.#query;
    if (typeof condition === "string")
      parseFilter(condition, systemClock.now()); // a mistake is told where it is made
    else if (typeof condition !== "function") throw wrongInput("where", "condition", "a text or a function", condition);
    const added = typeof condition === "string" ? condition : filterOf("where", condition(new RunFields<K>()));
    return this.#with({ conditions: [...conditions, added] });
  }

  /**
   * Orders the runs: by texts such as `"metrics.loss DESC"`, or by a function. Further calls order those that are equal
   * before. @default the latest start first
   * @throws PulseError `INVALID_FILTER`
   */
  orderBy(...columns: readonly (string | ((run: RunFields<K>) => Order | readonly Order[]))[]): RunSearch<K> {
    const added = columns.flatMap((column) => {
      if (typeof column === "string") return parseOrder([column]);
      if (typeof column !== "function") throw wrongInput("orderBy", "column", "a text or a function", column);
      return [column(new RunFields<K>())].flat().map((order) => {
        if (order instanceof Order) return order.by;
        throw wrongInput("orderBy", "column", "a field's asc() or desc()", order);
      });
    });
    return this.#with({ orders: distinct([...this.#query.orders, ...added]) });
  }

  /** At most this many runs. */
  limit(maxResults: number): RunSearch<K> {
    needCount("limit", "maxResults", maxResults);
    return this.#with({ maxResults });
  }

  /** Which runs are listed. @default "active" */
  view(viewType: ViewType): RunSearch<K> {
    return this.#with({ viewType: needView("view", viewType) });
  }

  #with(changed: Partial<RunQuery>): RunSearch<K> {
    return new RunSearch<K>(this.#pages, { ...this.#query, ...changed });
  }
}

/** @internal @throws PulseError `INVALID_OPTION` */
function needView(user: string, viewType: unknown): ViewType {
  if (viewType === "active" || viewType === "deleted" || viewType === "all") return viewType;
  throw wrongInput(user, "viewType", '"active", "deleted" or "all"', viewType);
}

function filterOf(user: string, condition: unknown): Filter {
  if (condition instanceof Condition) return condition.filter;
  throw wrongInput(user, "condition", 'a condition such as run.metric("loss").lt(0.2)', condition);
}

function needKey(user: string, key: unknown): string {
  if (typeof key === "string" && key !== "") return key;
  throw wrongInput(`run.${user}`, "key", "a text", key);
}
