import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { FakeS3 } from "./fake-s3.js";

const FILES = "/api/2.0/mlflow-artifacts/artifacts";
const PARTS = "/api/2.0/mlflow-artifacts/mpu/";

/**
 * What is done instead: an answer, "forget" for one that claims success, "late" for a failure after the deed, "cut" for
 * no answer after it.
 */
export type ArtifactFault = { readonly status: number; readonly body?: string } | "forget" | "late" | "cut" | undefined;

export interface FakeArtifacts {
  readonly url: string;
  readonly seen: { readonly method: string; readonly path: string; readonly headers: IncomingMessage["headers"] }[];
  fault: (method: string, path: string) => ArtifactFault;
  /** Changes the URL of a part. */
  partUrl: (url: string) => string;
  close(): void;
}

interface PartsCall {
  readonly path: string;
  readonly num_parts?: number;
  readonly upload_id?: string;
  readonly parts?: readonly { readonly part_number: number }[];
}

const refused = (code: string): string => JSON.stringify({ error_code: code, message: `It said ${code}.` });

/** MLflow's proxy for artifacts, which keeps them in a fake S3 and lets parts go there directly. */
export async function fakeArtifacts(s3: FakeS3, multipart = true): Promise<FakeArtifacts> {
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const fake: FakeArtifacts = {
    url,
    seen: [],
    fault: () => undefined,
    partUrl: (given) => given,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? "";
    const to = new URL(request.url ?? "", url);
    const path = decodeURIComponent(to.pathname);
    fake.seen.push({ method, path, headers: request.headers });
    const fault = fake.fault(method, path);
    const send = (status: number, body: string | Buffer | object = ""): void => {
      if (fault === "cut") return void request.socket.destroy();
      if (fault === "late") return void response.writeHead(500).end(refused("INTERNAL_ERROR"));
      response.writeHead(status).end(typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    };
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (fault === "forget") return send(200, "");
    if (typeof fault === "object") return send(fault.status, fault.body);
    if (path === "/api/3.0/mlflow/server-info") return send(200, { multipart_uploads_enabled: multipart });
    if (path === "/version") return send(200, "3.17.2");
    if (path === FILES) return send(200, listing(to.searchParams.get("path") ?? ""));
    if (path.startsWith(`${FILES}/`)) {
      const key = path.slice(FILES.length + 1);
      if (method === "PUT") {
        s3.objects.set(key, body);
        return send(200);
      }
      const object = s3.objects.get(key);
      return object ? send(200, object) : send(500, refused("INTERNAL_ERROR"));
    }
    if (path.startsWith(PARTS)) return send(...parts(path.slice(PARTS.length), JSON.parse(String(body)) as PartsCall));
    send(404, refused("ENDPOINT_NOT_FOUND"));
  }

  /** The answer to a call about parts. */
  function parts(what: string, asked: PartsCall): [status: number, body: object] {
    const [, call, folder] = /^(\w+)\/(.*)$/s.exec(what) ?? [];
    const key = `${folder}/${asked.path}`;
    if (call === "create") {
      const id = `upload-${s3.uploads.size + 1}`;
      s3.uploads.set(id, { key, parts: new Map() });
      const credentials = Array.from({ length: asked.num_parts ?? 0 }, (_, i) => {
        const query = new URLSearchParams({ partNumber: String(i + 1), uploadId: id, "X-Amz-Signature": "presigned" });
        const path = key.split("/").map(encodeURIComponent).join("/");
        return { url: fake.partUrl(`${s3.url}/runs/${path}?${query}`), part_number: i + 1, headers: {} };
      });
      return [200, { upload_id: id, credentials }];
    }
    const id = asked.upload_id ?? "";
    const upload = s3.uploads.get(id);
    if (upload === undefined)
      return call === "complete" && s3.objects.has(key) ? [200, {}] : [500, { error_code: "INTERNAL_ERROR" }];
    s3.uploads.delete(id);
    if (call === "complete")
      s3.objects.set(
        key,
        Buffer.concat((asked.parts ?? []).map(({ part_number }) => upload.parts.get(part_number) as Buffer)),
      );
    return [200, {}];
  }

  function listing(folder: string): object {
    const start = folder === "" ? "" : `${folder}/`;
    const files = new Map<string, object>();
    for (const [key, { length }] of s3.objects) {
      if (!key.startsWith(start)) continue;
      const [name = "", ...deeper] = key.slice(start.length).split("/");
      files.set(
        name,
        deeper.length > 0
          ? { path: name, is_dir: true }
          : { path: name, is_dir: false, ...(length > 0 && { file_size: length }) },
      );
    }
    return { files: [...files.values()] };
  }

  return fake;
}
