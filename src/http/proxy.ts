// Loaded on first use, like the client itself.
const net = (): typeof import("node:net") => process.getBuiltinModule("node:net");

/** Returns the proxy for a request, from the variables that curl, Python and others read. */
export const proxyFor = (target: URL, env: NodeJS.ProcessEnv): URL | undefined => choice(target, env)?.url;

/** Returns the variable of an unusable proxy, one that is not an http or https address; undefined if there is none. */
export function uselessProxy(target: URL, env: NodeJS.ProcessEnv): string | undefined {
  const chosen = choice(target, env);
  return chosen && chosen.url === undefined ? chosen.variable : undefined;
}

function choice(
  target: URL,
  env: NodeJS.ProcessEnv,
): { readonly variable: string; readonly url: URL | undefined } | undefined {
  const names = [`${target.protocol.slice(0, -1)}_proxy`, "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  const variable = names.find((name) => env[name]);
  if (variable === undefined || isExempt(target, env["no_proxy"] || env["NO_PROXY"] || "")) return undefined;
  const proxy = String(env[variable]);
  const text = proxy.includes("://") ? proxy : `http://${proxy}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return { variable, url: url?.protocol === "http:" || url?.protocol === "https:" ? url : undefined };
}

/**
 * Matches `NO_PROXY`: host names, which also match subdomains, with or without a port, addresses, address ranges, or
 * `*`. Everything that exempts a host in MLflow's Python client does so here. IPv6 ranges, spaces between entries,
 * `*.name`, and ports after addresses also work, as in curl and others.
 */
function isExempt(target: URL, list: string): boolean {
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  const host = target.hostname.replace(/^\[|\]$/g, "");
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (entry === "*") return true;
      if (entry.includes("/")) return isWithin(host, entry);
      if (host.includes(":") && entry.toLowerCase() === `${host}:${target.port}`) return true; // as Python's client formats them
      const address = entry.split(":").length > 2 && !entry.startsWith("[") ? `[${entry}]` : entry; // IPv6
      const [, name = "", wanted] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(address) ?? [];
      const bare = name.replace(/^\*?\./, "").toLowerCase();
      return (wanted === undefined || wanted === port) && (host === bare || host.endsWith(`.${bare}`));
    });
}

/** Whether an address is in a range such as `10.0.0.0/8`. As in Python's client, a prefix of zero bits is invalid. */
function isWithin(host: string, range: string): boolean {
  const [, network = "", bits = ""] = /^\[?([^/\]]*)\]?\/(\d+)$/.exec(range) ?? [];
  const [family, length] = [net().isIP(network), Number(bits)];
  if (family === 0 || family !== net().isIP(host) || length < 1 || length > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? "ipv4" : "ipv6";
  const ranges = new (net().BlockList)();
  ranges.addSubnet(network, length, type);
  return ranges.check(host, type);
}

/** Returns the address of a proxy, and the header to log in if its URL has credentials. */
export function proxyAddress({ protocol, hostname, port, username, password }: URL): {
  host: string;
  port: string | number;
  headers: { "proxy-authorization"?: string };
} {
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  return {
    host: hostname.replace(/^\[|\]$/g, ""), // IPv6
    port: port || (protocol === "https:" ? 443 : 80),
    headers: username === "" ? {} : { "proxy-authorization": `Basic ${credentials}` },
  };
}
