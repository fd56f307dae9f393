import type { ExperimentRef, Tag } from "../base/entities.js";
import { messageOf, PulseError } from "../base/errors.js";
import { cutText, sanitizeKey, withoutNul } from "../base/text/keys.js";
import { LIMITS } from "../base/text/limits.js";
import { REDACTED } from "../base/text/redact.js";
import { shortText } from "../base/text/text.js";
import { type DeferredRuns, recordOnlyIfFailed } from "../recorder/buffer/deferred-runs.js";
import { madeUpName } from "./made-up-name.js";
import { tagsOf } from "./metrics/schema.js";
import type { RunPlace } from "./options.js";
import { Run } from "./run.js";
import type { Scope } from "./scope.js";
import type { RunHost } from "./verbs/run-host.js";
import { eachOf, type Place, sayRedacted, textOf, warnAt } from "./verbs/values.js";

/** How a run is to be opened. */
export interface OpenRequest {
  /** Named at the call or by a decorator. */
  readonly experiment: string | undefined;
  /** A tracked class's name, for when nothing is named or configured. */
  readonly fallbackExperiment: string | undefined;
  readonly name: string;
  readonly parent: Run | undefined;
  /** A run whose experiment it shares where a child would share its parent's. */
  readonly sibling?: Run | undefined;
  /** @default what the parent is held back by */
  readonly held?: DeferredRuns | undefined;
  /** @default now */
  readonly startTime?: number | undefined;
  readonly owner?: { run: Run | undefined } | undefined;
  /** Which run it is, if that is said. */
  readonly place?: RunPlace | undefined;
  /** Class and method that open it. */
  readonly method?: string | undefined;
}

/**
 * From here on open runs, or the children of one, are worth a word; beyond the second bound calls are no runs any more.
 */
const MANY_RUNS = 10_000;
const MAX_RUNS = 100_000;

const byHost = new WeakMap<RunHost, Map<string, ExperimentRef>>();
const MAX_NAMES = 1_000;

/** Opens a run: the one way for decorators, functions and `logExperiment`. */
export function openRun(host: RunHost, request: OpenRequest): Run {
  const { experiment, fallbackExperiment, name, startTime, place, method } = request;
  // Below a run that nobody records there is none; below one that was left out, runs are roots.
  if (request.parent && request.parent.log === undefined) return forgettingRun(request.parent);
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
  // Only the store knows in which experiment a run is that was made elsewhere; it and its children belong there,
  // whatever is configured here.
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
  });
  if (place?.parentRunId !== undefined) run.setTag("mlflow.parentRunId", place.parentRunId);
  if (place?.description !== undefined) run.setTag("mlflow.note.content", place.description);
  return run;
}

/** Says in which run, over by now, the code was started that opened this one outside any. */
export function tagStart(run: Run, scope: Scope | undefined): void {
  if (scope?.run?.ended === true) run.setTag("pulse.started_in", scope.run.id);
}

/** Why a run forgets that was asked for while its tracker was paused. */
export const PAUSED: PulseError = new PulseError("DISABLED", "The tracker is paused.");

/** Draws whether sampling leaves a top-level run out: its own share of those recorded, and the tracker's. */
export function leftOut(host: RunHost, share: number = 1): boolean {
  const both = share * host.sample;
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
  // A child stays with its parent: MLflow shows children only within one experiment.
  if (relative && fallback === undefined) return relative.experimentRef;
  const { experiment } = host.config;
  if (experiment === undefined) return named(host, fallback ?? "Default");
  return "name" in experiment && tagsOf(experiment.name) ? named(host, experiment.name) : experiment;
}

/** The run that code gets while tracking is off, or when there are too many: every verb does nothing. */
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
    const said = tagsOf(name);
    if (said) eachOf(place, "tags", said, add);
    ref = { name: limited(place, "experiment name", name, LIMITS.experimentName), ...(tags.length > 0 && { tags }) };
    if (names.size < MAX_NAMES) names.set(name, ref);
  }
  return ref;
}

/** A name without its secrets; a redactor that fails leaves nothing of it. */
function redacted(host: RunHost, what: string, text: string): string {
  try {
    return String(host.redact(what, text));
  } catch (error) {
    host.diagnostics.warn("CAPTURE_FAILED", `redact failed on a ${what}: ${messageOf(error)}.`, error, "redact");
    return REDACTED;
  }
}

/** Names that are stored as they are; most programs have a handful, and looking through each for secrets is dear. */
const plain = new Set<string>();
/** The one that was asked for last. */
let lastPlain: string | undefined;

function limited(place: Place, what: string, given: string, limit: number): string {
  const { host, method } = place;
  const byRules = host.config.redact === undefined || host.config.redact === true;
  if (byRules && (given === lastPlain || plain.has(given))) {
    lastPlain = given;
    return given;
  }
  const text = withoutNul(redacted(host, what, shortText(given)));
  sayRedacted(host, `the ${what}`, given, text);
  if (text.length <= limit) {
    if (byRules && text === given && text.length <= LIMITS.runName && plain.size < MAX_NAMES) plain.add(given);
    return text;
  }
  const shown = JSON.stringify(cutText(text, 60));
  const detail = `The ${what} ${shown} has ${text.length} characters, MLflow keeps ${limit}; it was cut and ends in a hash`;
  warnAt(place, method, "VALUE_CUT", detail, method === undefined ? `${what} ${shown}` : what);
  return cutText(text, limit);
}
