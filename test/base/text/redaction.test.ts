import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  createTracker,
  currentRun,
  LogMetric,
  LogParam,
  LogTag,
  type PulseConfig,
  startRun,
  TrackedExperiment,
  TrackedRun,
  tracked,
} from "../../../src/index.js";
import { MemoryStore } from "../../../src/stores/memory-store.js";
import type { StoredRun } from "../../../src/stores/stored-run.js";
import { away } from "../../support/faulty-store.js";
import { kit } from "../../support/outbox-kit.js";
import { Random } from "../../support/random.js";
import { until } from "../../support/wait.js";
import { collectWarnings } from "../../support/warnings.js";

/** A tracker on a store of which everything can be read, MLflow's own tags, too. */
function storing(config: PulseConfig = {}) {
  const store = new MemoryStore();
  const { logger, warnings } = collectWarnings();
  const tracker = createTracker({ store, logger, ...config });
  const runs = async (): Promise<StoredRun[]> => {
    await tracker.flush();
    return [...store.runs.values()];
  };
  const onlyRun = async (): Promise<StoredRun> => {
    const [run, ...others] = await runs();
    assert.deepEqual(others, []);
    return run ?? assert.fail("no run is stored");
  };
  const experimentOf = (run: StoredRun) => [...store.experiments].find(([, { id }]) => id === run.experimentId)?.[0];
  return { tracker, store, warnings, runs, onlyRun, experimentOf };
}

const rolls = (seed: number): Roll => {
  const random = new Random(seed);
  return (below) => random.below(below);
};

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
type Roll = (below: number) => number;
const letters = (roll: Roll, count: number, of = ALPHABET): string =>
  Array.from({ length: count }, () => of[roll(of.length)]).join("");
const pick = <T>(roll: Roll, list: readonly T[]): T => list[roll(list.length)] as T;

/** Secrets known by their shape: the text, and the part of it that must never be seen. */
const SHAPES: readonly ((roll: Roll) => readonly [text: string, secret: string])[] = [
  (roll) => {
    const secret = letters(roll, 20);
    return [`eyJ${letters(roll, 20)}.eyJ${secret}.${letters(roll, 30)}`, secret];
  },
  (roll) => whole(`AKIA${letters(roll, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")}`),
  (roll) => whole(`gh${pick(roll, ["p", "o", "u", "s", "r"])}_${letters(roll, 36)}`),
  (roll) => whole(`github_pat_${letters(roll, 40)}`),
  (roll) => whole(`glpat-${letters(roll, 20)}`),
  (roll) => whole(`xoxb-${letters(roll, 24)}`),
  (roll) => whole(`xapp-${letters(roll, 24)}`),
  (roll) => whole(`ya29.${letters(roll, 40)}`),
  (roll) => whole(`SG.${letters(roll, 22)}.${letters(roll, 43)}`),
  (roll) => whole(`AIza${letters(roll, 35)}`),
  (roll) => whole(`sk-${letters(roll, 40)}`),
  (roll) => whole(`sk_live_${letters(roll, 24)}`),
  (roll) => whole(`hf_${letters(roll, 34)}`),
  (roll) => whole(`npm_${letters(roll, 36)}`),
  (roll) => whole(`dapi${letters(roll, 32, "0123456789abcdef")}`),
  (roll) => {
    const secret = letters(roll, 30);
    return [`Authorization: Bearer ${secret}`, secret];
  },
  (roll) => {
    const secret = letters(roll, 60);
    return [`-----BEGIN RSA PRIVATE KEY-----\n${secret}\n-----END RSA PRIVATE KEY-----`, secret];
  },
  (roll) => {
    const secret = letters(roll, 14);
    return [`${pick(roll, ["postgresql", "https", "amqp"])}://user:${secret}@host:1/db?x=1`, secret];
  },
  (roll) => {
    const secret = letters(roll, 14);
    return [
      `postgres://user:${secret}${pick(roll, ["#", "/", "?", "#/", "@", "&x=", " ", "%23"])}${secret}@host/db`,
      secret,
    ];
  },
  (roll) => {
    const secret = `s3${letters(roll, 10)}`;
    const name = pick(roll, ["password", "DB_PASSWORD", "apiKey", "client-secret", "sessionId", "x_token", "pwd"]);
    const form = pick(roll, ["N=S", "N: S", '{"N":"S"}', '{"N": "S", "b": 1}', "{ N: 'S' }", "--N S", "--N=S", "a=1;N=S;b=2", "/x?N=S&b=1", '{"name":"N","value":"S"}', '[["N","S"]]', '"{\\"N\\":\\"S\\"}"']); // biome-ignore format: one list
    return [form.replace(/[NS]/g, (part) => (part === "N" ? name : secret)), secret];
  },
  (roll) => {
    const secret = `s3${letters(roll, 10)}`;
    return [
      pick(roll, [
        `curl -u me:${secret} https://host`,
        `Cookie: a=${secret}; b=${secret}`,
        `authorization: Token ${secret}`,
      ]),
      secret,
    ];
  },
];

function whole(secret: string): readonly [string, string] {
  return [secret, secret];
}

const SECRET_KEYS = ["password", "token", "api_key", "apiKey", "clientSecret", "AUTHORIZATION", "db.password", "x-access-key", "credentials", "passwords", "PGPASSWORD", "ssh_keys", "pass", "passcode", "bearer", "connStr", "sas", "otp", "sessionId", "mytoken", "APITOKEN", "pwd", "identity_token", "password_db"]; // biome-ignore format: one list
const OPEN_KEYS = [
  "max_tokens",
  "tokenizer",
  "num_tokens",
  "secretary",
  "keyboard",
  "pad_token",
  "token_type",
  "eosToken",
  "lr",
  "token_pattern",
  "password_policy",
  "cookie_consent",
  "jwt_algorithm",
  "private_key_bits",
  "placeholder_token",
];

/** Puts secrets wherever a program may have them, and gives what must never be seen and what must stay. */
function plant(roll: Roll): {
  args: [Record<string, unknown>, string, Map<string, unknown>];
  error: Error;
  secrets: string[];
  open: string[];
} {
  const secrets: string[] = [];
  const open: string[] = [];
  const shaped = (): string => {
    const [text, secret] = pick(roll, SHAPES)(roll);
    secrets.push(secret);
    const around = [text, `before ${text} after`, `A=1\n${text}`, `\t${text}`];
    // An option is a word of its own.
    return pick(roll, text.startsWith("--") ? around : [...around, `next=%3D${text}`, `my_${text}`]);
  };
  const keyed = (): string => {
    const secret = `s3cret${letters(roll, 10)}`;
    secrets.push(secret);
    return secret;
  };
  const plain = (): string => {
    const text = `plain${letters(roll, 8)}`;
    open.push(text);
    return text;
  };
  const object = (depth: number): Record<string, unknown> => ({
    [pick(roll, SECRET_KEYS)]: keyed(),
    [`note${roll(99)}`]: shaped(),
    [pick(roll, OPEN_KEYS)]: plain(),
    ...(depth > 0 && {
      inner: object(depth - 1),
      list: [object(0), shaped()],
      fields: [{ name: pick(roll, SECRET_KEYS), value: keyed() }],
      pairs: [[pick(roll, SECRET_KEYS), keyed()]],
      argv: ["run", `--${pick(roll, SECRET_KEYS)}`, keyed()],
      text: JSON.stringify({ [pick(roll, SECRET_KEYS)]: keyed() }),
      [pick(roll, SECRET_KEYS)]: { hidden: keyed() },
    }),
  });
  const cause = new Error(`cause: ${shaped()}`);
  return {
    args: [object(2), shaped(), new Map<string, unknown>([[pick(roll, SECRET_KEYS), keyed()], ["note", shaped()]])], // biome-ignore format: one thing
    error:
      roll(2) === 0
        ? new AggregateError([new Error(shaped()), cause], shaped())
        : new Error(`failed: ${shaped()}`, { cause }),
    secrets,
    open,
  };
}

@TrackedExperiment("Redaction")
class Program {
  @TrackedRun({
    runName: ([, name]) => name,
    params: (args: unknown[]) => ({ all: args[0], password: args[1] }),
    tags: ([o]) => o,
  })
  @LogParam
  @LogParam(["options", "text", "map"])
  @LogTag({ made: (_r: unknown, args: unknown[]) => args[0] })
  @LogMetric
  work(options: Record<string, unknown>, text: string, map: Map<string, unknown>): number {
    currentRun()?.logParams({ "user.token": text, nested: options });
    currentRun()?.setTag("map", map);
    currentRun()?.logMetric(text, 1);
    return 1;
  }

  @TrackedRun({ failOn: ([text]: string[]) => text })
  fails(error: Error): unknown[] {
    if (error.message.length % 2 === 0) return [error.message];
    throw error;
  }
}

function run(seed: number): { secrets: string[]; open: string[] } {
  const { args, error, secrets, open } = plant(rolls(seed));
  const program = new Program();
  program.work(...args);
  try {
    program.fails(error);
  } catch {}
  tracked(() => 1, { runName: args[1], experiment: `E ${args[1]}`, failOn: () => error })();
  startRun({ params: args[0], tags: { options: args[0] }, runName: args[1] }).end();
  return { secrets, open };
}

const SEEDS = Array.from({ length: 100 }, (_, seed) => seed + 1);

test("no planted secret reaches a store, a log or an error, and other texts stay", async () => {
  for (const seed of SEEDS) {
    const { tracker, runs, warnings, store } = storing();
    const { secrets, open } = tracker.run(() => run(seed));
    await runs();
    const seen = JSON.stringify(
      [...store.runs.values()].map((each) => ({
        ...each,
        params: [...each.params],
        tags: [...each.tags],
        metrics: [...each.metrics],
      })),
    );
    const all = seen + warnings.join("\n") + [...store.experiments.keys()].join("\n");
    for (const secret of secrets)
      assert.ok(
        !all.includes(secret),
        `seed ${seed}: ${secret} in ${all.slice(Math.max(0, all.indexOf(secret) - 200), all.indexOf(secret) + 80)}`,
      );
    for (const text of open) assert.ok(seen.includes(text), `seed ${seed}: ${text} is gone`);
  }
});

test("a field beside a secret's name hides it too when taken as its own param", async () => {
  for (const redact of [true, false]) {
    const { tracker, onlyRun } = storing({ redact });
    class Settings {
      @TrackedRun
      @LogParam
      @LogParam({ more: "1" })
      set(_setting: object, _more: object): void {}
    }
    tracker.run(() =>
      new Settings().set(
        { name: "password", value: "hunter2" },
        new Map<string, unknown>([["header", { key: "X-Api-Key", value: "hunter2", n: 1 }], ["option", { name: "lr", value: "0.1" }]]), // biome-ignore format: one thing
      ),
    );
    const value = redact ? "[redacted]" : "hunter2";
    const own = {
      "more.header.key": "X-Api-Key",
      "more.header.value": value,
      "more.header.n": "1",
      "more.option.name": "lr",
      "more.option.value": "0.1",
    };
    const stored = Object.fromEntries((await onlyRun()).params);
    assert.deepEqual([stored["value"], stored["name"]], [value, "password"]);
    for (const [key, text] of Object.entries(own)) assert.equal(stored[key], text, key);
  }
});

test("no planted secret reaches an outbox", async () => {
  const { store, tracker, files, folder } = kit({ durability: "outbox" });
  store.fault = () => away;
  const secrets = SEEDS.slice(0, 20).flatMap((seed) => tracker.run(() => run(seed)).secrets);
  await until("an outbox", () => files().length === 1);
  await tracker.shutdown({ timeoutMs: 10 });
  const kept = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("");
  assert.ok(kept.length > 10_000);
  for (const secret of secrets) assert.ok(!kept.includes(secret), secret);
});

test("no error of ours quotes a secret it was given", () => {
  const secret = `ghp_${"a1B2".repeat(9)}`;
  assert.throws(
    () => tracked(() => 1, { nest: secret as never }),
    (error: Error) => /nest must be .*got/.test(error.message) && !error.message.includes(secret),
  );
  const strict = storing({ strict: true });
  assert.throws(
    () => strict.tracker.withRun({}, (run) => run.logMetric(secret, secret as never)),
    (error: Error) => !`${error.message}`.includes(secret),
  );
});

test("numbers under secret keys stay, and the user's redact runs before cutting", async () => {
  const redact = (_key: string, value: string): string => value.replaceAll("acme", "***");
  const { tracker, onlyRun, experimentOf } = storing({ redact });
  const params = { token: 5, password: true, company: "acme & sons", nested: { max_tokens: 100 } };
  const fails = (): never => {
    throw new Error(`${"x".repeat(997)}acme`, { cause: new Error("acme") });
  };
  assert.throws(() => tracker.withRun({ experiment: "of acme", runName: "for acme", params }, fails));
  const run = await onlyRun();
  assert.deepEqual(Object.fromEntries(run.params), {
    token: "5",
    password: "true",
    company: "*** & sons",
    nested: '{"max_tokens":100}',
  });
  assert.deepEqual([run.name, experimentOf(run), run.tags.get("error.cause")], ["for ***", "of ***", "Error: ***"]);
  assert.ok(!JSON.stringify([...run.tags]).includes("acm"));
});

test("everyday machine-learning texts are not secrets", async () => {
  const { tracker, onlyRun } = storing();
  const params = {
    model: "sk-learn-gradient-boosting",
    about: "a basic convolutional-network",
    course: "Basic reinforcement-learning",
    token_mixer: "mlp",
    max_token: "4k",
    pad_token: "<pad>",
    where: { url: "http://host", mail: "a@b.org" },
    list: ["hdfs://nn", "team@corp"],
  };
  tracker.withRun({ params }, () => 1);
  const stored = Object.fromEntries((await onlyRun()).params);
  assert.deepEqual(stored, { ...params, where: JSON.stringify(params.where), list: JSON.stringify(params.list) });
});

test("a long text cuts nothing else in its object, and different ones stay different", async () => {
  const { tracker, onlyRun } = storing();
  tracker.withRun({}, (run) => {
    run.logParam("one", { prompt: "y".repeat(120_000), b: 2, c: "tail" });
    run.setTag("two", { prompt: "y".repeat(130_000), b: 2, c: "tail" });
  });
  const { params, tags } = await onlyRun();
  assert.notEqual(params.get("one")?.slice(-9), tags.get("two")?.slice(-9));
});

test("each redacted name is reported once, up to a limit, also in strict mode", async () => {
  const { tracker, runs, warnings } = storing({ strict: true });
  for (let i = 0; i < 3; i++)
    tracker.withRun(
      {
        params: { apiKey: "hunter2", options: { db: { password: "hunter2" } }, lr: 0.1 },
        tags: { [`a${i}`]: "--token hunter2" },
      },
      () => 1,
    );
  tracker.withRun(
    { runName: "password=hunter2", experiment: "password=hunter2", params: { note: "[redacted]" } },
    () => 1,
  );
  assert.throws(() => tracker.withRun({}, () => { throw new Error("password=hunter2"); })); // biome-ignore format: short
  await runs();
  const said = (name: string): string => `pulse-mlflow: What looks like a secret in ${name} was replaced by [redacted]. If it is not a secret, give it another name, or set the option \`redact\`. [REDACTED]`; // biome-ignore format: one text
  assert.deepEqual(
    warnings,
    ['"apiKey"', '"options"', '"a0"', '"a1"', '"a2"', "the experiment name", "the run name"].map(said),
  );
  assert.equal(tracker.stats().warnings.REDACTED, 11);

  const many = storing();
  many.tracker.withRun(
    { tags: Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`password${i}`, "hunter2"])) },
    (run) => run.logMetric("a*b", 1),
  );
  await many.runs();
  assert.equal(many.warnings.length, 52); // one is about the metric, one says that further ones are only counted
  assert.equal(many.tracker.stats().warnings.REDACTED, 300);

  const off = storing({ redact: false });
  off.tracker.withRun({ params: { password: "hunter2" } }, () => 1);
  assert.deepEqual(off.warnings, []);
  assert.equal((await off.onlyRun()).params.get("password"), "hunter2");
});
