// What the trackers of the fault suite record, drawn from a seed, with the model of what a server must show of it.
import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions, Run, TerminalStatus, Tracker } from "../../src/index.js";
import { Random } from "../support/random.js";
import type { Package } from "./fault-copy.js";
import { type FileHabits, FileLog } from "./fault-files.js";
import { Twin } from "./wide-model.js";

const VALUES = [Number.NaN, Infinity, -Infinity, 0, -0, 1e-300, Number.MAX_VALUE, 0.1 + 0.2, 2n ** 64n, true];
const KEYS = ["loss", "val/acc", "损失"];
const TEXTS = ["", "plain", "λ 🚀", 'it\'s "quoted"', "p".repeat(2_000), 0.1, [1, "two"], null];
const SHOWN = ["", "plain", "λ 🚀", 'it\'s "quoted"', "p".repeat(2_000), "0.1", '[1,"two"]', "null"];
/** A letter of Unicode 16: the server's Python, before 3.14, knows none there and refuses it in keys. */
const NEW_LETTER = "\u1c89";
/** A store that is away for long must not hold up what does not need it. */
const PATIENCE_MS = 4_000;

export interface Place {
  readonly seed: number;
  readonly tracker: Tracker;
  readonly experiment: string;
  /** The server itself, where no fault is: for what somebody else writes. Undefined when nobody does. */
  readonly url: string | undefined;
  /** The copy of the package that made the tracker. */
  readonly copy: Package;
  /** Whether some keys are such as the server refuses. */
  readonly refused: boolean;
  /** How files are logged; none are where it is undefined. */
  readonly files: FileHabits | undefined;
  /** Files may be lost, each with a tag that says so. */
  readonly mayLoseFiles: boolean;
}

/** The runs of one tracker. */
export class Workload {
  readonly twins: Twin[] = [];
  /** How many items the server is to refuse. */
  refused = 0;
  readonly files: FileLog | undefined;
  readonly #place: Place;
  readonly #since = Date.now();
  #over = false;

  constructor(place: Place) {
    this.#place = place;
    this.files = place.files && new FileLog(place.files);
  }

  /** Several programs beside each other; resolves when all have ended. */
  async play(programs: number): Promise<void> {
    const tasks = [
      this.#short,
      this.#short,
      this.#long,
      this.#family,
      this.#family,
      this.#failing,
      this.#contested,
      this.#open,
    ];
    const program = (_: unknown, i: number): Promise<void> => {
      const dice = new Random(Math.imul(this.#place.seed, 1_009) + i * 31 + programs);
      return dice.pick(tasks).call(this, dice);
    };
    await this.#place.tracker.run(() => Promise.all(Array.from({ length: programs }, program)));
  }

  /** The tracker is shut down: runs that are still open end partial, and nothing is recorded any more. */
  stop(): void {
    this.#over = true;
    for (const { run, expected } of this.twins) if (!run.ended) expected.tags["pulse.partial"] = "true";
  }

  twin(run: Run, { experiment = this.#place.experiment, runName = "run" }: CallOptions, parent?: Run): Twin {
    const twin = new Twin(run, {
      experiment,
      name: String(runName),
      parent: parent?.id,
      status: "FINISHED",
      since: this.#since,
      until: Infinity,
      params: {},
      tags: {},
      metrics: {},
      inputs: new Set(),
      refused: new Set(),
      files: {},
      cut: new Set(),
      mayFail: this.#place.mayLoseFiles,
    });
    this.twins.push(twin);
    return twin;
  }

  /** A pause, long enough for a delivery in between or not. False when all is over. */
  async #pause(dice: Random, most = 80): Promise<boolean> {
    await sleep(dice.below(3) === 0 ? 0 : dice.below(most));
    return !this.#over;
  }

  #start(dice: Random, runName: string): Twin {
    const options = { experiment: this.#experiment(dice), runName };
    return this.twin(this.#place.tracker.startRun(options), options);
  }

  #experiment(dice: Random): string {
    return dice.below(5) === 0 ? `${this.#place.experiment} beside` : this.#place.experiment;
  }

  /** One after the other, over at once or after a while. */
  async #short(dice: Random): Promise<void> {
    for (let i = 1 + dice.below(4); i > 0 && !this.#over; i--) {
      const twin = this.#start(dice, `short ${i}`);
      this.#fill(twin, dice);
      this.files?.again(twin);
      if (dice.below(2) === 0 && !(await this.#pause(dice, 300))) return;
      this.files?.again(twin);
      end(twin, dice.pick(["FINISHED", "FINISHED", "FAILED", "KILLED"]));
      this.files?.fill(twin);
      if (dice.below(4) === 0) twin.metric("late", dice.next(), { step: 1, timestamp: 1_800_000_000_000 });
      if (!(await this.#pause(dice))) return;
    }
  }

  async #long(dice: Random): Promise<void> {
    const twin = this.#start(dice, "long");
    this.#fill(twin, dice);
    const turns = 4 + dice.below(14);
    const each = 5 + dice.below(60);
    for (let turn = 0; turn < turns; turn++) {
      if (!(await this.#pause(dice, 150))) return;
      for (let i = 0; i < each; i++) point(twin, "epoch", dice, turn * each + i);
      if (turn % 3 === 2) this.files?.fill(twin);
      this.files?.again(twin);
      if (turn % 3 === 0) twin.tag("progress", `turn ${turn}`);
      if (turn % 4 === 1) twin.input(`part ${turn % 3}`, "digest");
      if (dice.below(5) === 0) twin.param(`late/${turn}`, [turn, String(turn)]);
      if (dice.below(12) === 0) twin.tag("mlflow.runName", `long, renamed in turn ${turn}`);
    }
    end(twin, dice.pick(["FINISHED", "FAILED"]));
  }

  /** A run with children, and children of theirs. */
  async #family(dice: Random): Promise<void> {
    const later: Promise<void>[] = [];
    const member = async (name: string, generation: number, parent?: Run): Promise<void> => {
      const options = { experiment: this.#experiment(dice), runName: `${name}, generation ${generation}` };
      await this.#place.copy.withRun(options, async (run) => {
        const twin = this.twin(run, options, parent);
        this.#fill(twin, dice);
        const children = generation === 3 ? 0 : dice.below(3);
        for (let i = 0; i < children; i++) {
          if (dice.below(2) === 0 && !(await this.#pause(dice, 200))) return;
          await member("member", generation + 1, run);
          if (this.#over) return;
        }
        if (!(await this.#pause(dice))) return;
        point(twin, "loss", dice, 1_000);
        this.files?.fill(twin);
        if (dice.below(4) !== 0) return;
        const forgotten = this.#place.copy.startRun({ ...options, runName: "child that outlives its parent" });
        const child = this.twin(forgotten, { ...options, runName: "child that outlives its parent" }, run);
        this.#fill(child, dice);
        later.push(
          sleep(dice.below(400)).then(() => {
            if (this.#over) return;
            point(child, "loss", dice, 2_000);
            end(child, "FINISHED");
          }),
        );
      });
    };
    await member("family", 1);
    await Promise.all(later);
  }

  async #failing(dice: Random): Promise<void> {
    const error = new RangeError(`unlucky ${dice.below(100)}`);
    const options = { experiment: this.#experiment(dice), runName: "failing" };
    let twin: Twin | undefined;
    const outcome = this.#place.copy.withRun(options, async (run) => {
      twin = this.twin(run, options);
      this.#fill(twin, dice);
      if (await this.#pause(dice, 300)) throw error;
    });
    await outcome.catch(() => {
      if (twin === undefined) return;
      twin.expected.status = "FAILED";
      Object.assign(twin.expected.tags, { "error.type": "RangeError", "error.message": error.message });
    });
  }

  /** Somebody else writes a param of the run first, with another value. */
  async #contested(dice: Random): Promise<void> {
    const twin = this.#start(dice, "contested");
    this.#fill(twin, dice);
    const id = await Promise.race([twin.run.serverId().catch(() => undefined), sleep(PATIENCE_MS)]);
    const { url } = this.#place;
    if (typeof id === "string" && url !== undefined && !this.#over) {
      twin.expected.params["contested"] = "theirs";
      await theirs(url, id);
      if (this.#over) return;
      twin.param("contested", ["ours", "ours"]);
      twin.param("uncontested", ["ours", "ours"]);
      if (!(await this.#pause(dice, 300))) return;
      point(twin, "loss", dice, 3_000);
    }
    if (!this.#over) end(twin, "FINISHED");
  }

  /** A few params, tags, metrics and inputs, also such as the server refuses. */
  #fill(twin: Twin, dice: Random): void {
    fill(twin, dice);
    this.files?.fill(twin);
    const own = new Random(dice.below(2 ** 31));
    for (let i = own.below(3) === 0 ? 1 + own.below(3) : 0; i > 0; i--)
      twin.input(`data ${own.below(4)}`, `digest ${own.below(2)}`);
    if (!this.#place.refused) return;
    const { run, expected } = twin;
    const refuse = (record: (key: string) => void, key: string): void => {
      record(key);
      expected.refused?.add(key);
      this.refused++;
    };
    for (let i = own.below(3); i > 0; i--) refuse((key) => run.logMetric(key, i, { step: i }), `metric ${NEW_LETTER}`);
    if (own.below(3) === 0) refuse((key) => run.logParam(key, 1), `param ${NEW_LETTER}`);
    if (own.below(3) === 0) refuse((key) => run.setTag(key, "refused"), `tag ${NEW_LETTER}`);
  }

  /** Left open. */
  async #open(dice: Random): Promise<void> {
    const twin = this.#start(dice, "open");
    for (let i = dice.below(6); i >= 0; i--) {
      point(twin, "loss", dice, 100 + i);
      if (!(await this.#pause(dice))) return;
    }
  }
}

async function theirs(url: string, runId: string): Promise<void> {
  const answer = await fetch(`${url}/api/2.0/mlflow/runs/log-parameter`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ run_id: runId, key: "contested", value: "theirs" }),
  });
  if (!answer.ok) throw new Error(`log-parameter: ${answer.status} ${await answer.text()}`);
}

function end(twin: Twin, status: TerminalStatus): void {
  twin.run.end(status);
  twin.expected.status = status;
}

function point(twin: Twin, key: string, dice: Random, step: number): void {
  const timestamp = dice.below(2) === 0 ? undefined : 1_700_000_000_000 + dice.below(1e9);
  twin.metric(key, dice.below(4) === 0 ? dice.pick(VALUES) : dice.next(), { step, timestamp });
}

/** A few params, tags and metrics. */
function fill(twin: Twin, dice: Random): void {
  for (let i = dice.below(5); i > 0; i--) {
    const which = dice.below(TEXTS.length);
    // A key that comes again with another value is a conflict.
    twin.param(`p${dice.below(8)}`, [TEXTS[which], SHOWN[which] as string]);
  }
  for (let i = dice.below(4); i > 0; i--) twin.tag(`t${dice.below(2)}`, `value ${dice.below(100)}`);
  for (let i = dice.below(12); i > 0; i--) point(twin, dice.pick(KEYS), dice, i);
}
