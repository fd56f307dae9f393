import type { PulseConfig } from "./options.js";

/** The file of the working folder that is read once. */
export const CONFIG_FILE = "pulse-mlflow.config.json";

/** Takes each setting from the first that speaks, and remembers who did. */
export class Picker {
  readonly env: NodeJS.ProcessEnv;
  readonly origins: Record<string, string> = {};
  readonly #given: PulseConfig;
  readonly #stored: PulseConfig;

  constructor(given: PulseConfig, stored: PulseConfig, env: NodeJS.ProcessEnv) {
    this.#given = given;
    this.#stored = stored;
    this.env = env;
  }

  /** An option, else the file's, else an environment variable's text where the option is a text. */
  maybe<K extends keyof PulseConfig>(name: K, variable?: PulseConfig[K] extends string | undefined ? string : never): PulseConfig[K] {
    if (this.#given[name] !== undefined) return this.#from(name, this.#given[name], "configure()");
    if (this.#stored[name] !== undefined) return this.#from(name, this.#stored[name], CONFIG_FILE);
    return (variable === undefined ? undefined : this.environment(name, variable)) as PulseConfig[K];
  }

  /** The same with a default. */
  value<K extends keyof PulseConfig>(
    name: K,
    fallback: NonNullable<PulseConfig[K]>,
    variable?: PulseConfig[K] extends string | undefined ? string : never,
  ): NonNullable<PulseConfig[K]> {
    return this.maybe(name, variable) ?? fallback;
  }

  /** The text of an environment variable that is not blank. */
  environment(name: string, variable: string): string | undefined {
    const value = this.env[variable];
    return value?.trim() ? this.#from(name, value, variable) : undefined;
  }

  /** Takes note of where a value comes from. */
  note(name: string, origin: string): void {
    this.origins[name] = origin;
  }

  #from<T>(name: string, value: T, origin: string): T {
    this.origins[name] = origin;
    return value;
  }
}
