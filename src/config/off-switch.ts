/** Whether `PULSE_MLFLOW` switches tracking off: `off`, `0`, `false` or `no`. */
export function isOff(env: NodeJS.ProcessEnv): boolean {
  return /^\s*(off|0|false|no)\s*$/i.test(env["PULSE_MLFLOW"] ?? "");
}

/** Describes a `PULSE_MLFLOW` that is neither on nor off; undefined if it is valid or not set. */
export function oddSwitch(env: NodeJS.ProcessEnv): string | undefined {
  const value = env["PULSE_MLFLOW"]?.trim();
  if (value === undefined || value === "" || isOff(env) || /^(on|1|true|yes)$/i.test(value)) return undefined;
  return `PULSE_MLFLOW must be on or off (0, 1, false, true, no, yes), got ${JSON.stringify(value)}: tracking is on.`;
}
