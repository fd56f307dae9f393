import type { ExperimentRef, Tag } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import { sanitizeKey } from "../base/text/keys.js";
import { LIMITS } from "../base/text/limits.js";
import { shortText } from "../base/text/value-text.js";
import { type DeferredRuns, recordOnlyIfFailed } from "../recorder/buffer/deferred-runs.js";
import type { ErrorRules } from "./errors/error-rules.js";
import { madeUpName } from "./made-up-name.js";
import { tagsOf } from "./metrics/schema.js";
import type { RunPlace } from "./options.js";
import { Run } from "./run.js";
import type { Scope } from "./scope.js";
import { limited } from "./verbs/names.js";
import { callHook } from "./verbs/run-hooks.js";
import type { RunHost } from "./verbs/run-host.js";
import { paused } from "./verbs/unrecorded.js";
import { eachOf, type Place, textOf } from "./verbs/values.js";

/** How to open a run. */
export interface OpenRequest {
  /** The experiment named by the call or a decorator. */
  readonly experiment: string | undefined;
  /** The name of a tracked class, used when no experiment is named or configured. */
  readonly fallbackExperiment: string | undefined;
  readonly name: string;
  readonly parent: Run | undefined;
  /** A run whose experiment this one shares, as a child would share its parent's. */
  readonly sibling?: Run | undefined;
  /** What defers the run's recording. @default that of the parent */
  readonly held?: DeferredRuns | undefined;
  /** @default now */
  readonly startTime?: number | undefined;
  readonly owner?: { run: Run | undefined } | undefined;
  /** Which run to resume or to attach to, if given. */
  readonly place?: RunPlace | undefined;
  /** Class and method that open the run. */
  readonly method?: string | undefined;
  readonly rules?: ErrorRules | undefined;
}

/**
 * At this many open runs, or children of one run, a warning is given; beyond `MAX_RUNS`, further runs are not
 * recorded.
 */
const MANY_RUNS = 10_000;
const MAX_RUNS = 100_000;

const byHost = new WeakMap<RunHost, Map<string, ExperimentRef>>();
const MAX_NAMES = 1_000;

/** Opens a run. Decorators, functions and `logExperiment` all use this. */
export function openRun(host: RunHost, request: OpenRequest): Run {
  const { experiment, fallbackExperiment, name, startTime, place, method } = request;
  // A child of an unrecorded run is not recorded. A child of a run that sampling left out becomes a root run.
  if (request.parent && request.parent.log === undefined)
    return forgettingRun(request.parent, request.parent.unrecorded);
  const left = request.parent?.held?.dropped === true;
  const parent = left ? undefined : request.parent;
  const held = request.held ?? (left ? recordOnlyIfFailed(host.recorder) : parent?.held);
  if (parent && ++parent.children >= MANY_RUNS)
    sayMany(host, `${parent.children} runs were opened below run ${parent.id}`, parent.children);
  if (host.opened >= MANY_RUNS) sayMany(host, `${host.opened} runs are open`, host.opened);
  if (host.opened >= MAX_RUNS || (parent && parent.children > MAX_RUNS))
    return forgettingRun({ experiment: experiment ?? parent?.experiment }, tooMany);
  const resumeId = place?.runId ?? (parent === undefined && held === undefined ? host.takeResumeId() : undefined);
  const named = experimentOf(host, experiment, fallbackExperiment, parent ?? request.sibling);
  // Only the store knows the experiment of a run created elsewhere. That run and its children belong there, whatever
  // is configured here.
  const of = resumeId ?? (experiment === undefined ? place?.parentRunId : undefined);
  const ref = of === undefined ? named : { ...named, of };
  const at: Place = { host, method, runName: "", experiment: "name" in ref ? ref.name : ref.id };
  const run = new Run(host, {
    experiment: ref,
    name: limited(at, "run name", name === "" ? madeUpName(() => host.clock.random()) : name, LIMITS.runName),
    parent,
    resumeId,
    held,
    startTime,
    owner: request.owner,
    method,
    rules: request.rules,
  });
  callHook(host, "onRunStart", run);
  if (place?.parentRunId !== undefined) run.setTag("mlflow.parentRunId", place.parentRunId);
  if (place?.description !== undefined) run.setTag("mlflow.note.content", place.description);
  return run;
}

/** Tags a root run with the run, ended by now, in which its code was started. */
export function tagStart(run: Run, scope: Scope | undefined): void {
  if (scope?.run?.ended === true) run.setTag("pulse.started_in", scope.run.id);
}

/**
 * Draws whether sampling leaves out a top-level run, given the run's own share and the tracker's. `resumed`: it goes on
 * with a run that is stored already, which the tracker's share does not concern.
 */
export function leftOut(host: RunHost, share: number = 1, resumed: boolean = false): boolean {
  // A host of an older copy of the package has no share of its own.
  const { sample = 1 } = host as Partial<RunHost>;
  const both = resumed ? share : share * sample;
  return both < 1 && host.clock.random() >= both;
}

const tooMany = new PulseError("TOO_MANY_RUNS", "There are too many runs already.");

function sayMany(host: RunHost, what: string, count: number): void {
  if (count === MANY_RUNS) host.diagnostics.warn("TOO_MANY_RUNS", `${what}.`, undefined, "many");
  if (count >= MAX_RUNS)
    host.diagnostics.warn("TOO_MANY_RUNS", `${what}; further ones are not recorded.`, undefined, "most");
}

function experimentOf(
  host: RunHost,
  given: string | undefined,
  fallback: string | undefined,
  relative: Run | undefined,
): ExperimentRef {
  if (given !== undefined) return named(host, given);
  // Children stay in their parent's experiment: MLflow only shows children within one experiment.
  if (relative && fallback === undefined) return relative.experimentRef;
  const { experiment } = host.config;
  if (experiment === undefined) return named(host, fallback ?? "Default");
  return "name" in experiment && tagsOf(experiment.name) ? named(host, experiment.name) : experiment;
}

/** Returns what a run below a given one is if it cannot be recorded, because that one is not, or its tracker is paused. */
export function unrecordedBelow(parent: Run): Run | undefined {
  if (parent.log === undefined) return forgettingRun(parent, parent.unrecorded);
  return parent.host.paused ? forgettingRun(parent, paused()) : undefined;
}

/** Returns a run that records nothing; `unrecorded` is why, where tracking is not simply off. */
export function forgettingRun(options: { readonly experiment?: string | undefined }, unrecorded?: PulseError): Run {
  const experiment = { name: options.experiment ?? "Default" };
  return new Run(undefined, { experiment, name: "", parent: undefined, resumeId: undefined, unrecorded });
}

function named(host: RunHost, name: string): ExperimentRef {
  let names = byHost.get(host);
  if (names === undefined) {
    names = new Map();
    byHost.set(host, names);
  }
  let ref = names.get(name);
  if (ref === undefined) {
    const place: Place = { host, method: undefined, runName: "", experiment: shortText(name) };
    const tags: Tag[] = [];
    const add = (key: string, value: unknown): void => {
      const clean = sanitizeKey(key);
      tags.push({ key: clean, value: textOf(place, clean, value, LIMITS.tagValue, undefined) });
    };
    const ownTags = tagsOf(name);
    if (ownTags) eachOf(place, "tags", ownTags, add);
    ref = { name: limited(place, "experiment name", name, LIMITS.experimentName), ...(tags.length > 0 && { tags }) };
    if (names.size < MAX_NAMES) names.set(name, ref);
  }
  return ref;
}
