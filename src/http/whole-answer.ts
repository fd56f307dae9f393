import type { IncomingHttpHeaders, IncomingMessage } from "node:http";

/** No answer of MLflow that we ask for is larger. */
const MAX_ANSWER = 16 * 1024 * 1024;
const MAX_ERROR = 64 * 1024;

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The other server that answered, after a redirect. */
  readonly redirectedTo?: string | undefined;
}

/** Reads an answer to its end. A long error is cut; a success above 16 MiB is an error. */
export function read(response: IncomingMessage, done: (error: unknown, text: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let over = false;
  const failed = (response.statusCode ?? 0) >= 300;
  const finish = (error?: unknown): void => {
    if (over) return;
    over = true;
    done(error, Buffer.concat(chunks).toString("utf8"));
  };
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (over) return;
    if (bytes <= (failed ? MAX_ERROR : MAX_ANSWER)) chunks.push(chunk);
    else {
      finish(failed ? undefined : new Error(`its answer is larger than ${MAX_ANSWER} bytes`));
      response.destroy();
    }
  });
  response.on("end", () => finish(response.complete ? undefined : new Error("its answer was cut off")));
  response.on("error", finish);
  response.on("close", () => finish(new Error("its answer was cut off")));
}

/** Reads an answer to its end, as a promise, including its head. */
export function wholeAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    read(response, (error, text) => {
      if (error) reject(error);
      else resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
  });
}
