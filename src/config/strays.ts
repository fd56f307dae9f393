import { join } from "node:path";
import { holdsExperiments, isThere, workingFolder } from "../base/folders.js";
import { nearest } from "../base/wrong-input.js";
import { CONFIG_FILE, DATABASE, DEFAULT_URI, MLRUNS } from "./picker.js";
import { hasConfigFile } from "./resolve.js";

/** What looks like configuration, and nothing reads. */

/** The variables of Python's client, and ours. */
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

/** What is too far from the name of a variable to be told by its letters. */
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

/** Variables that nothing reads, each with the one it was probably meant to be. */
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

/** Files in the working folder that look like the configuration, where that is not there. */
export function strayFiles(): string[] {
  const folder = workingFolder();
  return folder === undefined || hasConfigFile() ? [] : ODD_FILES.filter((name) => isThere(join(folder, name)));
}

/** What is said of two variables of which only one counts; undefined where there are none. */
export function doubleExperiment(env: NodeJS.ProcessEnv): string | undefined {
  const [name, id] = [env["MLFLOW_EXPERIMENT_NAME"], env["MLFLOW_EXPERIMENT_ID"]];
  if (!name || !id) return undefined;
  return `MLFLOW_EXPERIMENT_NAME and MLFLOW_EXPERIMENT_ID are both set: the name counts, ${JSON.stringify(name)}, and the id is not read. Unset one.`;
}

/** What is said where no experiment is named, and a variable looks as though it were to; undefined where none does. */
export function strayExperiment(env: NodeJS.ProcessEnv): string | undefined {
  const found = misspelt(env).find(({ meant }) => meant.startsWith("MLFLOW_EXPERIMENT_"));
  return found && `${found.name} is not read; did you mean ${found.meant}? No experiment is set by it.`;
}

/**
 * What is said where runs go to the default place, and something looks as though it were to name another; undefined
 * where nothing does.
 */
export function strayUri(env: NodeJS.ProcessEnv): string | undefined {
  const variable = misspelt(env).find(({ meant }) => meant === "MLFLOW_TRACKING_URI");
  const [file] = strayFiles();
  if (env["MLFLOW_TRACKING_URI"] === "")
    return "MLFLOW_TRACKING_URI is empty, which counts as not set, so that runs go to the default place";
  const stray = variable
    ? `${variable.name} is not read; did you mean ${variable.meant}?`
    : file && `${file} is not read: settings are in ${CONFIG_FILE}.`;
  return stray && `${stray} No tracking URI is set, so that runs go to the default one`;
}

/**
 * What is said where runs go to the default database, and there are some in a folder that was MLflow's default before;
 * undefined where there are none.
 */
export function strayRuns(trackingUri: string): string | undefined {
  const folder = workingFolder();
  if (trackingUri !== DEFAULT_URI || folder === undefined || !holdsExperiments(join(folder, MLRUNS))) return undefined;
  const both = isThere(join(folder, DATABASE));
  const migrate = `\`mlflow migrate-filestore --source ${MLRUNS} --target ${DEFAULT_URI}\``;
  const instead = both ? "" : ", or set MLFLOW_ALLOW_FILE_STORE=true as MLflow itself wants it for that folder";
  return (
    `The folder ${MLRUNS} here holds experiments, and runs go to ${DATABASE} beside it: ${migrate}${both ? " has made that database, or can make another" : " brings the old ones there"}. ` +
    `To go on with the folder, set trackingUri: "${MLRUNS}"${instead}.`
  );
}
