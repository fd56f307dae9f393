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

/**
 * The configuration a command goes by: with `uri`, which somebody has typed, in place of the configured tracking URI.
 */
export function configFor(uri: string | undefined): ResolvedConfig {
  if (uri === undefined) return resolveConfig();
  const { env } = process;
  // As outboxes are named: those of each workspace of a server are apart.
  const [bare = "", query] = uri.split(/\?(?=workspace=[^&]+$)/);
  const workspace = new URLSearchParams(query).get("workspace");
  const given = workspace === null ? {} : { workspace };
  const named = env["MLFLOW_TRACKING_URI"]?.trim();
  // Credentials of the environment are those of the server it names.
  const trusted = !named || originOf(named) === originOf(bare);
  const config = trusted ? resolveConfig({ ...given, trackingUri: bare }) : resolveConfig(given, env, undefined, bare);
  return { ...config, origins: { ...config.origins, trackingUri: "--uri" } };
}

/** The folder of all outboxes. */
export const rootOf = ({ outboxFolder }: ResolvedConfig): string => outboxFolder ?? stateFolder();

/**
 * What stands in the way of delivering to a tracking URI, whoever tries, as far as that is seen without asking anybody;
 * undefined when nothing does.
 */
export function obstacle(uri: string): string | undefined {
  const path = /^sqlite:\/\/\/(.+)$/.exec(uri)?.[1];
  if (path !== undefined) return isOtherFile(path) ? `${printable(path)} is no database` : undefined;
  const folder = uri.startsWith("file:") ? mlrunsPath(uri) : undefined;
  return folder !== undefined && isNoFolder(folder) ? `${printable(folder)} is no folder` : undefined;
}

/** The outboxes of each tracking URI, or of one alone. */
export async function foldersFor(root: string, uri: string | undefined): Promise<readonly OutboxFolder[]> {
  const folders = outboxFolders(root);
  needReadable(root);
  if (uri === undefined) return folders;
  const exact = folders.filter((folder) => folder.uri === uri);
  if (exact.length > 0) return exact;
  const store = openConfigured(configFor(uri)); // says what is wrong with it, too
  await store.close();
  return [new OutboxFolder(root, store.uri)];
}

/**
 * @throws PulseError `OUTBOX_LEFT` where all there is may not be read by this user: a command would say that there is
 * nothing.
 */
export function needReadable(root: string): void {
  const hidden = unreadable(root);
  if (
    hidden.length === 0 ||
    outboxFolders(root).some((folder) => folder.files().some((path) => !hidden.includes(path)))
  )
    return;
  const detail = `${hidden[0]} may not be read by this user, so that nobody knows what is kept there.`;
  throw new PulseError("OUTBOX_LEFT", detail);
}
