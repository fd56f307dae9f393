/** Whether the environment switches tracking off: `PULSE_MLFLOW=off`, or what else means no. */
export function isOff(env: NodeJS.ProcessEnv): boolean {
  return /^\s*(off|0|false|no)\s*$/i.test(env["PULSE_MLFLOW"] ?? "");
}
