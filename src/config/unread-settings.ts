import { join } from "node:path";
import { holdsExperiments, isThere, workingFolder } from "../base/folders.js";
import { nearest } from "../base/wrong-input.js";
import { CONFIG_FILE, DATABASE, DEFAULT_URI, MLRUNS } from "./picker.js";
import { hasConfigFile } from "./resolve.js";

/** Detects settings that look like ours but are never read. */

/** The variables of MLflow's Python client, and ours. */
const VARIABLES = [
  ...[
    "URI",
    "USERNAME",
    "PASSWORD",
    "TOKEN",
    "INSECURE_TLS",
    "SERVER_CERT_PATH",
    "CLIENT_CERT_PATH",
    "AWS_SIGV4",
    "AUTH",
  ].map((name) => `MLFLOW_TRACKING_${name}`),
  ...[
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_RUN_ID",
    "MLFLOW_RUN_CONTEXT",
    "MLFLOW_RUN_TAGS",
    "PULSE_MLFLOW",
  ],
];

/** Common mistakes that are too far from the real name for a spelling suggestion. */
const MEANT: Readonly<Record<string, string>> = {
  MLFLOW_URI: "MLFLOW_TRACKING_URI",
  MLFLOW_URL: "MLFLOW_TRACKING_URI",
  MLFLOW_SERVER: "MLFLOW_TRACKING_URI",
  MLFLOW_HOST: "MLFLOW_TRACKING_URI",
  MLFLOW_USERNAME: "MLFLOW_TRACKING_USERNAME",
  MLFLOW_PASSWORD: "MLFLOW_TRACKING_PASSWORD",
  MLFLOW_TOKEN: "MLFLOW_TRACKING_TOKEN",
  MLFLOW_EXPERIMENT: "MLFLOW_EXPERIMENT_NAME",
};

/** Returns variables that are never read, each with the name that was probably meant. */
export function misspelt(env: NodeJS.ProcessEnv): { readonly name: string; readonly meant: string }[] {
  return Object.keys(env).flatMap((name) => {
    if (Object.hasOwn(MEANT, name)) return [{ name, meant: String(MEANT[name]) }];
    if (!/^(MLFLOW_TRACKING_|MLFLOW_EXPERIMENT|MLFLOW_RUN|PULSE_)/.test(name) || VARIABLES.includes(name)) return [];
    const meant = nearest(name, VARIABLES);
    return meant === undefined ? [] : [{ name, meant }];
  });
}

const ODD_FILES = ["js", "mjs", "cjs", "ts", "mts", "yaml", "yml", "toml"]
  .map((ending) => `pulse-mlflow.config.${ending}`)
  .concat("pulse-mlflow.json", ".pulse-mlflowrc", "pulse-mlflow.config");

/** Returns files in the working folder that look like a configuration, if the real one does not exist. */
export function strayFiles(): string[] {
  const folder = workingFolder();
  return folder === undefined || hasConfigFile() ? [] : ODD_FILES.filter((name) => isThere(join(folder, name)));
}

/** Warns if both variables are set, since only one is used. */
export function doubleExperiment(env: NodeJS.ProcessEnv): string | undefined {
  const [name, id] = [env["MLFLOW_EXPERIMENT_NAME"], env["MLFLOW_EXPERIMENT_ID"]];
  if (!name || !id) return undefined;
  return `MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID are both set: the name, ${JSON.stringify(name)}, is used and the id is ignored. Unset one.`;
}

/** Warns if no experiment is set but a misspelt variable looks like an attempt to. */
export function strayExperiment(env: NodeJS.ProcessEnv): string | undefined {
  const found = misspelt(env).find(({ meant }) => meant.startsWith("MLFLOW_EXPERIMENT_"));
  return found && `${found.name} is not read; did you mean ${found.meant}? It sets no experiment.`;
}

/** Warns if the default tracking URI is used but something looks like an attempt to set another. */
export function strayUri(env: NodeJS.ProcessEnv): string | undefined {
  const variable = misspelt(env).find(({ meant }) => meant === "MLFLOW_TRACKING_URI");
  const [file] = strayFiles();
  if (env["MLFLOW_TRACKING_URI"] === "")
    return "MLFLOW_TRACKING_URI is empty, which counts as not set, so runs go to the default tracking URI";
  const stray = variable
    ? `${variable.name} is not read; did you mean ${variable.meant}?`
    : file && `${file} is not read: put settings in ${CONFIG_FILE}.`;
  return stray && `${stray} No tracking URI is set, so runs go to the default one`;
}

/** Warns if the default database is used but there are runs in MLflow's former default folder. */
export function strayRuns(trackingUri: string): string | undefined {
  const folder = workingFolder();
  if (trackingUri !== DEFAULT_URI || folder === undefined || !holdsExperiments(join(folder, MLRUNS))) return undefined;
  const both = isThere(join(folder, DATABASE));
  const migrate = `\`mlflow migrate-filestore --source ${MLRUNS} --target ${DEFAULT_URI}\``;
  const instead = both ? "" : ", or set MLFLOW_ALLOW_FILE_STORE=true as MLflow itself requires for that folder";
  return (
    `The folder ${MLRUNS} here holds experiments, but runs go to ${DATABASE} beside it. ${migrate} ${both ? "made that database, or can make another" : "copies the old ones there"}. ` +
    `To keep using the folder, set trackingUri: "${MLRUNS}"${instead}.`
  );
}
