import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";

/** A request as the store saw it. */
interface S3Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
}

/** What is done instead of what was asked for; "cut" ends the connection. */
type S3Fault =
  | { readonly status: number; readonly body?: string; readonly headers?: Record<string, string> }
  | "cut"
  | undefined;

export interface FakeS3 {
  readonly url: string;
  readonly env: NodeJS.ProcessEnv;
  readonly objects: Map<string, Buffer>;
  readonly uploads: Map<string, { key: string; parts: Map<number, Buffer> }>;
  readonly seen: S3Seen[];
  /** Asked before each request. */
  fault: (seen: S3Seen) => S3Fault;
  /** How long it works at a request before it answers, in milliseconds. */
  worksMs: (seen: S3Seen) => number;
  /** Asked when a request was carried out: its answer is lost. */
  loses: (seen: S3Seen) => boolean;
  close(): void;
}

const PAGE = 3;
export const BUCKET = "runs";
const KEYS = { accessKeyId: "AKIATESTTESTTESTTEST", secretAccessKey: "wJalr/XUtnFEMI+K7MDENG" };

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
const error = (code: string): string =>
  `<?xml version="1.0"?><Error><Code>${code}</Code><Message>It said ${code}.</Message></Error>`;

/** An S3 with one bucket, that checks signatures and gives listings in pages of three. */
export async function fakeS3(): Promise<FakeS3> {
  const objects = new Map<string, Buffer>();
  const uploads: FakeS3["uploads"] = new Map();
  const seen: S3Seen[] = [];
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = {
    MLFLOW_S3_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: KEYS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: KEYS.secretAccessKey,
    HOME: "/nowhere",
  };
  const fake: FakeS3 = {
    url,
    env,
    objects,
    uploads,
    seen,
    fault: () => undefined,
    worksMs: () => 0,
    loses: () => false,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const to = new URL(request.url ?? "", url);
    const one: S3Seen = {
      method: request.method ?? "",
      path: to.pathname,
      query: to.searchParams,
      headers: request.headers,
    };
    seen.push(one);
    const send = (status: number, body: string | Buffer = "", headers: Record<string, string> = {}): void => {
      if (fake.loses(one)) return void request.socket.destroy();
      response.writeHead(status, headers).end(body);
    };
    await sleep(fake.worksMs(one));
    const fault = fake.fault(one);
    if (fault === "cut") return void request.socket.destroy();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    if (fault !== undefined) return send(fault.status, fault.body, fault.headers);
    if (!to.searchParams.has("X-Amz-Signature") && !(await isSigned(request, to)))
      return send(403, error("SignatureDoesNotMatch"));
    const [, bucket = "", ...rest] = to.pathname.split("/");
    if (bucket !== BUCKET) return send(404, error("NoSuchBucket"));
    const key = rest.map(decodeURIComponent).join("/");
    const id = to.searchParams.get("uploadId");
    if (request.method === "GET" && key === "") return send(200, page(to.searchParams));
    if (request.method === "GET") {
      const object = objects.get(key);
      if (object === undefined) return send(404, error("NoSuchKey"));
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      if (start > 0 && start >= object.length) return send(416, error("InvalidRange"));
      return send(start > 0 ? 206 : 200, object.subarray(start));
    }
    if (request.method === "POST" && to.searchParams.has("uploads")) {
      const uploadId = `upload-${uploads.size + 1}`;
      uploads.set(uploadId, { key, parts: new Map() });
      return send(
        200,
        `<InitiateMultipartUploadResult><UploadId>${uploadId}</UploadId></InitiateMultipartUploadResult>`,
      );
    }
    if (id !== null) {
      const upload = uploads.get(id);
      if (upload === undefined || upload.key !== key) return send(404, error("NoSuchUpload"));
      const number = Number(to.searchParams.get("partNumber"));
      if (request.method === "PUT") {
        upload.parts.set(number, body);
        return send(200, "", { etag: `"part-${number}"` });
      }
      uploads.delete(id);
      if (request.method === "DELETE") return send(204);
      const named = [...String(body).matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>&#34;part-\1&#34;<\/ETag>/g)].map(
        ([, n]) => Number(n),
      );
      objects.set(key, Buffer.concat(named.map((n) => upload.parts.get(n) as Buffer)));
      return send(200, "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>");
    }
    if (request.method !== "PUT") return send(405, error("MethodNotAllowed"));
    objects.set(key, body);
    send(200, "", { etag: '"whole"' });
  }

  function page(query: URLSearchParams): string {
    const prefix = query.get("prefix") ?? "";
    const delimiter = query.get("delimiter");
    const from = Number(query.get("continuation-token") ?? 0);
    const names = new Set<string>();
    for (const key of [...objects.keys()].filter((each) => each.startsWith(prefix)).sort()) {
      const end = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
      names.add(end < 0 ? key : key.slice(0, end + 1));
    }
    const all = [...names];
    const entries = all
      .slice(from, from + PAGE)
      .map((name) =>
        delimiter && name.endsWith(delimiter) && name !== prefix
          ? `<CommonPrefixes><Prefix>${escaped(name)}</Prefix></CommonPrefixes>`
          : `<Contents><Key>${escaped(name)}</Key><Size>${objects.get(name)?.length}</Size></Contents>`,
      );
    const more = from + PAGE < all.length;
    const next = more ? `<NextContinuationToken>${from + PAGE}</NextContinuationToken>` : "";
    return `<?xml version="1.0"?><ListBucketResult xmlns="x"><IsTruncated>${more}</IsTruncated>${next}${entries.join("")}</ListBucketResult>`;
  }

  return fake;
}

/** Whether a request has the signature that the keys give, made anew. */
async function isSigned(request: IncomingMessage, url: URL): Promise<boolean> {
  const authorization = request.headers.authorization ?? "";
  const [, region = ""] = /Credential=[^/]+\/\d+\/([^/]+)\/s3\//.exec(authorization) ?? [];
  const [, signed = ""] = /SignedHeaders=([^,]+)/.exec(authorization) ?? [];
  const named = signed.split(";").filter((name) => name !== "host");
  const signer = new AwsV4Signer({
    ...KEYS,
    method: request.method ?? "",
    url: url.href,
    headers: Object.fromEntries(named.map((name) => [name, String(request.headers[name])])),
    service: "s3",
    region,
    datetime: String(request.headers["x-amz-date"]),
  });
  return signed.includes("host") && (await signer.authHeader()) === authorization;
}
