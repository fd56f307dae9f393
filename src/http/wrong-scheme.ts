/** How long to wait for a handshake that only tests what a port speaks, in milliseconds. */
const HANDSHAKE_MS = 1_000;

/** Whether an error means that the other end does not speak TLS. */
export function speaksNoTls(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return /wrong.version.number|packet.length.too.long|http.request/i.test(`${code} ${message}`);
}

/** Describes a proxy that is configured with https but does not speak TLS. */
export function proxySpeaksNoTls({ host }: URL): string {
  return `the proxy does not speak TLS; write http://${host} in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY`;
}

/**
 * Whether an error means that a connection ended without an answer, as happens without TLS on a port that requires it.
 */
export function isCutOff(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return code === "ECONNRESET" || /^HPE_/.test(String(code)) || /without an answer/.test(String(message));
}

/** Tests whether the port of a URL speaks TLS, with a handshake and no data. */
export function speaksTls({ hostname, port, protocol }: URL, withinMs: number): Promise<boolean> {
  const host = hostname.replace(/^\[|\]$/g, ""); // IPv6
  return new Promise((resolve) => {
    const usual = protocol === "https:" ? 443 : 80;
    const options = { host, port: Number(port) || usual, rejectUnauthorized: false };
    const socket = process.getBuiltinModule("node:tls").connect(options, () => done(true));
    const done = (yes: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(yes);
    };
    const timer = setTimeout(done, Math.min(HANDSHAKE_MS, Math.max(0, withinMs)), false).unref();
    socket.on("error", () => done(false)).on("close", () => done(false));
    socket.unref();
  });
}
