/** Which proxy a request goes through, by the variables that curl, Python and others read. */
export function proxyFor(target: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const read = (name: string): string | undefined => env[name.toLowerCase()] || env[name.toUpperCase()] || undefined;
  const proxy = read(`${target.protocol.slice(0, -1)}_proxy`) ?? read("all_proxy");
  if (proxy === undefined || isExempt(target, read("no_proxy") ?? "")) return undefined;
  const text = proxy.includes("://") ? proxy : `http://${proxy}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === "http:" || url?.protocol === "https:" ? url : undefined;
}

/** `NO_PROXY`: names that also stand for what ends in them, with or without a port, or `*`. */
function isExempt(target: URL, list: string): boolean {
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  const host = target.hostname.replace(/^\[|\]$/g, "");
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => {
      if (entry === "*") return true;
      const address = entry.split(":").length > 2 && !entry.startsWith("[") ? `[${entry}]` : entry; // IPv6
      const [, name = "", wanted] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(address) ?? [];
      const bare = name.replace(/^\*?\./, "").toLowerCase();
      return (wanted === undefined || wanted === port) && (host === bare || host.endsWith(`.${bare}`));
    });
}

/** Where a proxy is reached, and the header that logs in to one whose URL has credentials. */
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
