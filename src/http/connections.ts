import type { Agent, ClientRequest, RequestOptions } from "node:http";
import type { AgentOptions } from "node:https";
import { messageOf, PulseError } from "../base/errors.js";
import type { TlsOptions } from "../config/options.js";
import type { Connecting } from "./keep-alive-tuner.js";
import { proxyAddress, proxyFor, uselessProxy } from "./proxy.js";
import { type Connected, connectThrough, moduleOf, type Target } from "./tunnel.js";

// Loaded on first use, to keep importing the package cheap for programs without a server.
const http = (): typeof import("node:http") => process.getBuiltinModule("node:http");
const https = (): typeof import("node:https") => process.getBuiltinModule("node:https");
const fs = (): typeof import("node:fs") => process.getBuiltinModule("node:fs");

/** uvicorn silently closes connections that are idle for 5 s; requests must not run into that. */
const IDLE_MS = 3_000;

/** The settings of connections. */
export interface ConnectionSettings {
  readonly tls: TlsOptions;
  /** The environment to read `*_PROXY` and `NO_PROXY` from. */
  readonly env: NodeJS.ProcessEnv;
  /** How long a proxy may take to open a tunnel, in milliseconds. */
  readonly requestTimeoutMs: number;
}

interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized?: boolean;
}

/**
 * Connections of Node's HTTP client, kept alive or opened per request, through the environment's proxies and with the
 * configured certificates.
 */
export class Connections {
  readonly #settings: ConnectionSettings;
  readonly #agents = new Map<string, Agent>();
  #material: TlsMaterial | undefined;

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
  }

  /** Returns the proxy for an address. */
  proxyTo(url: URL): URL | undefined {
    return proxyFor(url, this.#settings.env);
  }

  /** Returns the variable whose proxy cannot be used for an address. */
  uselessProxy(url: URL): string | undefined {
    return uselessProxy(url, this.#settings.env);
  }

  /**
   * Starts a request; the caller writes its body.
   * @throws PulseError `TLS_FAILED` if a certificate file cannot be read.
   */
  start(url: URL, options: RequestOptions, how: Connecting, proxy: URL | undefined = this.proxyTo(url)): ClientRequest {
    if (url.protocol === "https:")
      return https().request(url, { ...options, agent: this.#agent(how, "https:", proxy) });
    if (proxy === undefined) return http().request(url, { ...options, agent: this.#agent(how, "http:", undefined) });
    const { host, port, headers: login } = proxyAddress(proxy);
    return moduleOf(proxy).request({
      ...options,
      headers: { ...(options.headers as Readonly<Record<string, string>>), host: url.host, ...login },
      host,
      port,
      path: url.href,
      agent: this.#agent(how, proxy.protocol, undefined),
    });
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #agent(how: Connecting, protocol: string, tunnel: URL | undefined): Agent {
    const name = `${how} ${protocol} ${tunnel?.href ?? ""}`;
    let agent = this.#agents.get(name);
    if (agent === undefined) {
      const options = how === "kept" ? { keepAlive: true, timeout: IDLE_MS } : { keepAlive: false };
      agent = protocol === "http:" ? new (http().Agent)(options) : this.#secureAgent(options, tunnel);
      this.#agents.set(name, agent);
    }
    return agent;
  }

  #secureAgent(options: AgentOptions, tunnel: URL | undefined): Agent {
    const agent = new (https().Agent)({ ...options, ...this.#tlsMaterial() });
    if (tunnel === undefined) return agent;
    const { requestTimeoutMs } = this.#settings;
    Object.assign(agent, {
      createConnection: (target: Target, done: Connected): void =>
        connectThrough(tunnel, target, requestTimeoutMs, done),
    });
    return agent;
  }

  #tlsMaterial(): TlsMaterial {
    if (this.#material === undefined) {
      const { ca, cert, key, insecure } = this.#settings.tls;
      const pem = (name: string, path: string | undefined): Buffer | undefined => {
        try {
          return path === undefined ? undefined : fs().readFileSync(path);
        } catch (error) {
          throw new PulseError("TLS_FAILED", `tls.${name} cannot be read: ${messageOf(error)}.`, error);
        }
      };
      const [trusted, own, ownKey] = [pem("ca", ca), pem("cert", cert), pem("key", key ?? cert)];
      const holds = (what: string, text: Buffer | undefined): boolean =>
        text === undefined || new RegExp(`-----BEGIN [A-Z ]*${what}-----`).test(text.toString("latin1"));
      const lacks = (what: string): never => {
        throw new PulseError("TLS_FAILED", `${what}.`);
      };
      if (!holds("CERTIFICATE", trusted)) lacks(`tls.ca holds no certificate in PEM format`);
      if (!holds("CERTIFICATE", own)) lacks(`tls.cert holds no certificate in PEM format`);
      if (!holds("PRIVATE KEY", ownKey))
        lacks(
          key === undefined
            ? `tls.cert holds no private key, and there is no tls.key`
            : `tls.key holds no private key in PEM format`,
        );
      this.#material = {
        ...(trusted && { ca: trusted }),
        ...(own && { cert: own }),
        ...(ownKey && { key: ownKey }),
        ...(insecure && { rejectUnauthorized: false }),
      };
    }
    return this.#material;
  }
}
