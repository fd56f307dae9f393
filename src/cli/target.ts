import { PulseError } from "../base/errors.js";
import { printable } from "../base/text/printable.js";
import {
  isNoFolder,
  isOtherFile,
  mlrunsPath,
  OutboxFolder,
  openConfigured,
  originOf,
  outboxFolders,
  type ResolvedConfig,
  resolveConfig,
  stateFolder,
  unreadable,
} from "../inner/cli.js";

/** Returns the configuration of a command. `uri`, from the command line, replaces the configured tracking URI. */
export function configFor(uri: string | undefined): ResolvedConfig {
  if (uri === undefined) return resolveConfig();
  const { env } = process;
  // In the form that outboxes use: each workspace of a server has its own.
  const [bare = "", query] = uri.split(/\?(?=workspace=[^&]+$)/);
  const workspace = new URLSearchParams(query).get("workspace");
  const given = workspace === null ? {} : { workspace };
  const named = env["MLFLOW_TRACKING_URI"]?.trim();
  // Credentials from the environment belong to the server that the environment names.
  const trusted = !named || originOf(named) === originOf(bare);
  const config = trusted ? resolveConfig({ ...given, trackingUri: bare }) : resolveConfig(given, env, undefined, bare);
  return { ...config, origins: { ...config.origins, trackingUri: "--uri" } };
}

/** Returns the folder of all outboxes. */
export const rootOf = ({ outboxFolder }: ResolvedConfig): string => outboxFolder ?? stateFolder();

/** Returns what prevents delivery to a tracking URI, as far as that can be seen locally; undefined if nothing does. */
export function obstacle(uri: string): string | undefined {
  const path = /^sqlite:\/\/\/(.+)$/.exec(uri)?.[1];
  if (path !== undefined) return isOtherFile(path) ? `${printable(path)} is not a database` : undefined;
  const folder = uri.startsWith("file:") ? mlrunsPath(uri) : undefined;
  return folder !== undefined && isNoFolder(folder) ? `${printable(folder)} is not a folder` : undefined;
}

/** Returns the outboxes of each tracking URI, or of one. */
export async function foldersFor(root: string, uri: string | undefined): Promise<readonly OutboxFolder[]> {
  const folders = outboxFolders(root);
  needReadable(root);
  if (uri === undefined) return folders;
  const exact = folders.filter((folder) => folder.uri === uri);
  if (exact.length > 0) return exact;
  const store = openConfigured(configFor(uri)); // also reports an invalid URI
  await store.close();
  return [new OutboxFolder(root, store.uri)];
}

/**
 * @throws PulseError `OUTBOX_LEFT` if this user may not read anything there: a command would report that nothing is
 * kept.
 */
export function needReadable(root: string): void {
  const hidden = unreadable(root);
  if (
    hidden.length === 0 ||
    outboxFolders(root).some((folder) => folder.files().some((path) => !hidden.includes(path)))
  )
    return;
  const detail = `${hidden[0]} cannot be read by this user, so what is kept there is unknown.`;
  throw new PulseError("OUTBOX_LEFT", detail);
}
