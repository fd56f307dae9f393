import { PulseError, type PulseErrorCode } from "../base/errors.js";
import type { HttpAnswer } from "../http/whole-answer.js";
import { ObjectStoreError } from "./object-store-error.js";

const MAX_SHOWN = 300;

// S3's answers are small and flat, and their attributes do not matter, so elements are found by searching. Only the
// five entities and character references are expanded, so no answer can grow.

/** Returns the text of the first element of that name. */
export function xmlText(xml: string, name: string): string | undefined {
  const [first] = xmlElements(xml, name, 1);
  return first === undefined ? undefined : unescaped(first);
}

/** Returns the contents of all elements of that name, which must not be nested. */
export function xmlElements(xml: string, name: string, most: number = Number.POSITIVE_INFINITY): string[] {
  const found: string[] = [];
  const close = `</${name}>`;
  for (let from = 0; found.length < most; ) {
    const start = opening(xml, name, from);
    const end = start < 0 ? -1 : xml.indexOf(close, start);
    if (end < 0) return found;
    found.push(xml.slice(start, end));
    from = end + close.length;
  }
  return found;
}

/** Returns where the content of the next element of that name starts; -1 if there is none. */
function opening(xml: string, name: string, from: number): number {
  for (let at = xml.indexOf(`<${name}`, from); at >= 0; at = xml.indexOf(`<${name}`, at + 1)) {
    const after = xml[at + name.length + 1];
    if (after === ">") return at + name.length + 2;
    if (after !== undefined && /\s/.test(after)) {
      const end = xml.indexOf(">", at);
      if (end >= 0 && xml[end - 1] !== "/") return end + 1;
    }
  }
  return -1;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(amp|lt|gt|quot|apos));/gi,
    (all, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? all;
      const code = decimal === undefined ? Number.parseInt(hex as string, 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    },
  );
}

/** Escapes a text for an XML document. */
export function xmlEscaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** The meaning of S3's error codes; for others, the status decides. */
const CODES: Readonly<Record<string, PulseErrorCode>> = {
  ExpiredToken: "UNAUTHORIZED",
  ExpiredTokenException: "UNAUTHORIZED",
  TokenRefreshRequired: "UNAUTHORIZED",
  InvalidAccessKeyId: "UNAUTHORIZED",
  InvalidToken: "UNAUTHORIZED",
  InvalidClientTokenId: "UNAUTHORIZED",
  SignatureDoesNotMatch: "UNAUTHORIZED",
  AuthorizationHeaderMalformed: "UNAUTHORIZED",
  RequestTimeTooSkewed: "UNAUTHORIZED",
  RequestExpired: "UNAUTHORIZED",
  AccessDenied: "FORBIDDEN",
  AllAccessDisabled: "FORBIDDEN",
  AccountProblem: "FORBIDDEN",
  NoSuchKey: "ARTIFACT_NOT_FOUND",
  RequestTimeout: "SERVER_ERROR",
  OperationAborted: "SERVER_ERROR",
  SlowDown: "SERVER_ERROR",
  ServiceUnavailable: "SERVER_ERROR",
  InternalError: "SERVER_ERROR",
};

/** An error answer from S3. */
export class S3Error extends ObjectStoreError {
  /** S3's own code, such as `NoSuchUpload`; empty if there is none. */
  readonly s3Code: string;
  readonly status: number;

  constructor(where: string, what: string, { status, text, headers }: HttpAnswer) {
    const s3Code = (xmlText(text, "Code") ?? "").slice(0, 100);
    const message = (xmlText(text, "Message") ?? "").slice(0, MAX_SHOWN);
    const code = CODES[s3Code] ?? codeOf(status);
    // For a wrong signature, S3 also quotes the signed text, which is not included.
    const why =
      s3Code === "" ? `${status}` : `${s3Code}${message === "" ? "" : `: ${message.replace(/\.$/, "")}`} (${status})`;
    const region = headers["x-amz-bucket-region"];
    const elsewhere =
      region !== undefined && (status === 301 || status === 400)
        ? ` The bucket is in ${String(region)}: set AWS_REGION.`
        : "";
    super(code, `${where} refused ${what}: ${why}.${elsewhere}`);
    this.s3Code = s3Code;
    this.status = status;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof PulseError && "s3Code" in value;
  }
}

function codeOf(status: number): PulseErrorCode {
  if (status === 401) return "UNAUTHORIZED";
  if (status === 403) return "FORBIDDEN";
  if (status === 408 || status === 409 || status === 429 || status >= 500) return "SERVER_ERROR";
  return "REJECTED";
}
