import type { PulseConfig } from "../../src/index.js";
import { FAULTS, type FaultKind } from "../support/fault-schedule.js";
import { Random } from "../support/random.js";

/**
 * What a schedule may have beside everyday faults. `PULSE_FAULT_KINDS=denied,disk` leaves out all others of what a seed
 * draws.
 */
export const KINDS = [
  "denied",
  "replaced",
  "maintenance",
  "upgrade",
  "connect",
  "refused",
  "disk",
  "copies",
  "awaits",
  "tight",
  "files",
] as const;

export type Kind = (typeof KINDS)[number];

const CHOSEN = process.env["PULSE_FAULT_KINDS"]?.split(",") ?? KINDS;

/** After these nobody knows whether the server has acted, or will. */
const DOUBTFUL: readonly FaultKind[] = [
  "late-504",
  "late-reset",
  "reset-after",
  "black-hole-after",
  "503-after-commit",
  "truncated",
  "wrong-type",
];
// More than once: there are many everyday faults beside them.
const MAINTENANCE: readonly FaultKind[] = ["maintenance", "maintenance-page", "maintenance", "maintenance-page"];
const UPGRADE: readonly FaultKind[] = ["101", "101", "101"];
/** The least share of requests that meet a fault where these are drawn. */
const MIN_RATE = 0.2;
const EVERYDAY = FAULTS.filter((kind) => ![...MAINTENANCE, ...UPGRADE].includes(kind));

interface Trouble {
  readonly what: "down" | "silent" | "slow";
  readonly afterMs: number;
  readonly forMs: number;
}

/** Everything that a seed decides beside what is recorded. */
export interface Schedule {
  readonly rate: number;
  readonly faults: readonly FaultKind[];
  readonly durability: NonNullable<PulseConfig["durability"]>;
  readonly requestTimeoutMs: number;
  readonly flushIntervalMs: number;
  readonly retryAfter: number;
  readonly programs: number;
  readonly troubles: readonly Trouble[];
  /** How long delivery goes on with faults once everything is recorded. */
  readonly struggleMs: number;
  /** How often it is woken meanwhile: otherwise most of the time is waits. */
  readonly wakeMs: number;
  /** The first tracker is shut down while things go wrong, and gets this long; a second one delivers the rest. */
  readonly shutdown: { readonly afterMs: number; readonly withinMs: number } | undefined;
  /** For one of the two experiments a permission is missing, for a while or until all else is calm. */
  readonly denied:
    | {
        readonly which: "main" | "beside";
        readonly what: "everything" | "writing";
        readonly afterMs: number;
        readonly forMs: number;
      }
    | undefined;
  /**
   * The server goes, and another one comes back with its address: other experiments under the same ids, and no runs.
   */
  readonly replaced: { readonly afterMs: number; readonly awayMs: number } | undefined;
  /** The share of tunnels that fail: clients come over TLS and through a proxy. */
  readonly tunnelRate: number | undefined;
  /** Keys of letters that are newer than the server. */
  readonly refused: boolean;
  /** What happens to the folder of the outboxes. */
  readonly disk:
    | { readonly what: "full" | "gone" | "barred"; readonly afterMs: number; readonly forMs: number }
    | undefined;
  /** Another copy of the package in this process, with the same folder. */
  readonly copies: boolean;
  /** A program that only `serverId()` keeps alive starts so late. */
  readonly awaits: { readonly afterMs: number } | undefined;
  /** Memory holds next to nothing. */
  readonly maxPendingBytes: number | undefined;
  /** Runs have files, and so many requests about them meet a fault. */
  readonly fileFaults: number | undefined;
}

/** Which kinds a seed draws: about half of them. */
export function kindsOf(seed: number): Set<Kind> {
  const dice = new Random(Math.imul(seed, 104_729));
  return new Set(KINDS.filter(() => dice.below(2) === 0).filter((kind) => CHOSEN.includes(kind)));
}

export function drawSchedule(seed: number): Schedule {
  const dice = new Random(Math.imul(seed, 7_919));
  const durability = dice.pick(["exit", "exit", "outbox", "memory"] as const);
  const troubles = Array.from({ length: dice.below(3) }, () => ({
    what: dice.pick(["down", "silent", "slow"] as const),
    afterMs: dice.below(1_500),
    forMs: 100 + dice.below(1_500),
  }));
  const early = { afterMs: dice.below(1_200), withinMs: dice.below(1_000) };
  const everyday = {
    rate: Math.round(dice.next() * 50) / 100,
    faults: dice.pick([EVERYDAY, EVERYDAY, DOUBTFUL]),
    durability,
    requestTimeoutMs: 800 + dice.below(1_200),
    flushIntervalMs: 50 + dice.below(950),
    retryAfter: dice.below(2),
    programs: 3 + dice.below(4),
    troubles,
    struggleMs: dice.below(4_000),
    wakeMs: dice.pick([100, 300, 4_000]),
    shutdown: dice.below(3) === 0 && durability !== "memory" ? early : undefined,
  };
  // Each kind draws from numbers of its own: leaving one out changes nothing of the others.
  const kinds = kindsOf(seed);
  const of = <T>(kind: Kind, draw: (dice: Random) => T): T | undefined =>
    kinds.has(kind) ? draw(new Random(Math.imul(seed, 15_485_863) + KINDS.indexOf(kind))) : undefined;
  return {
    ...everyday,
    rate: kinds.has("maintenance") || kinds.has("upgrade") ? Math.max(MIN_RATE, everyday.rate) : everyday.rate,
    faults: [
      ...everyday.faults,
      ...(kinds.has("maintenance") ? MAINTENANCE : []),
      ...(kinds.has("upgrade") ? UPGRADE : []),
    ],
    denied: of("denied", (own) => ({
      which: own.pick(["main", "beside"]),
      what: own.pick(["everything", "writing"]),
      afterMs: own.below(3) === 0 ? 0 : own.below(800),
      forMs: own.below(2) === 0 ? Infinity : 300 + own.below(2_000),
    })),
    replaced: of("replaced", (own) => ({ afterMs: 100 + own.below(1_500), awayMs: own.below(800) })),
    tunnelRate: of("connect", (own) => 0.1 + 0.3 * own.next()),
    refused: kinds.has("refused"),
    // Whoever takes away the outbox of a tracker that is gone has lost what it holds.
    disk: of("disk", (own) => ({
      what: own.pick(["full", "gone", "barred"]),
      afterMs: own.below(1 + (everyday.shutdown?.afterMs ?? 1_200)),
      forMs: 200 + own.below(1_500),
    })),
    copies: kinds.has("copies"),
    awaits: of("awaits", (own) => ({ afterMs: own.below(1_000) })),
    maxPendingBytes: of("tight", () => 65_536),
    fileFaults: of("files", (own) => 3 + own.below(6)),
  };
}
