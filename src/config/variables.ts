import { nearest } from "../wrong-input.js";

/** The variables of Python's client, and ours. */
const VARIABLES = [
  ...["URI", "USERNAME", "PASSWORD", "TOKEN", "INSECURE_TLS", "SERVER_CERT_PATH", "CLIENT_CERT_PATH", "AWS_SIGV4", "AUTH"].map(
    (name) => `MLFLOW_TRACKING_${name}`,
  ),
  ...["MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID", "MLFLOW_RUN_CONTEXT", "MLFLOW_RUN_TAGS", "PULSE_MLFLOW"],
];

/** Variables that nothing reads, each with the one it was probably meant to be. */
export function misspelt(env: NodeJS.ProcessEnv): { readonly name: string; readonly meant: string }[] {
  return Object.keys(env).flatMap((name) => {
    if (!/^(MLFLOW_TRACKING_|MLFLOW_EXPERIMENT|MLFLOW_RUN|PULSE_)/.test(name) || VARIABLES.includes(name)) return [];
    const meant = nearest(name, VARIABLES);
    return meant === undefined ? [] : [{ name, meant }];
  });
}

/** What is said where runs go to the default place, and a variable looks as though it were to name another; undefined where none does. */
export function strayUri(env: NodeJS.ProcessEnv): string | undefined {
  const stray = misspelt(env).find(({ meant }) => meant === "MLFLOW_TRACKING_URI");
  return stray && `${stray.name} is not read; did you mean ${stray.meant}? No tracking URI is set, so that runs go to the default one`;
}
