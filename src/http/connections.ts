import type { Agent, ClientRequest, RequestOptions } from "node:http";
import type { AgentOptions } from "node:https";
import { messageOf, PulseError } from "../base/errors.js";
import type { TlsOptions } from "../config/options.js";
import type { Connecting } from "./keep-alive-tuner.js";
import { proxyAddress, proxyFor, uselessProxy } from "./proxy.js";
import { type Connected, connectThrough, moduleOf, type Target } from "./tunnel.js";

// Loaded at the first need: importing the package stays cheap for those who have no server.
const http = (): typeof import("node:http") => process.getBuiltinModule("node:http");
const https = (): typeof import("node:https") => process.getBuiltinModule("node:https");
const fs = (): typeof import("node:fs") => process.getBuiltinModule("node:fs");

/** uvicorn closes an idle connection after 5 s without saying so; a request must not meet that. */
const IDLE_MS = 3_000;

/** What a connection depends on. */
export interface ConnectionSettings {
  readonly tls: TlsOptions;
  /** `*_PROXY` and `NO_PROXY` are read from here. */
  readonly env: NodeJS.ProcessEnv;
  /** Most that is waited, in milliseconds, for a proxy to open a tunnel. */
  readonly requestTimeoutMs: number;
}

interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized?: boolean;
}

/**
 * Connections of Node's own client, kept or made anew, through proxies where the environment says so, with the
 * certificates of the settings.
 */
export class Connections {
  readonly #settings: ConnectionSettings;
  readonly #agents = new Map<string, Agent>();
  #material: TlsMaterial | undefined;

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
  }

  /** The proxy on the way to an address. */
  proxyTo(url: URL): URL | undefined {
    return proxyFor(url, this.#settings.env);
  }

  /** The variable of a proxy that could not be used for it. */
  uselessProxy(url: URL): string | undefined {
    return uselessProxy(url, this.#settings.env);
  }

  /**
   * Begins a request; its body is the caller's to write.
   * @throws PulseError `TLS_FAILED` when a file with a certificate cannot be read.
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
