import { errorMonitor } from "node:events";
import type { FollowedCall, ResultKind } from "./result-kind.js";

type AnyFunction = (...args: readonly unknown[]) => unknown;
type Methods = Record<PropertyKey, AnyFunction>;

/** Reads a property that may be missing, or a getter that throws. */
function get(object: object, key: PropertyKey): unknown {
  try {
    return (object as Record<PropertyKey, unknown>)[key];
  } catch {
    return undefined;
  }
}
const has = (object: object, ...methods: readonly PropertyKey[]): boolean =>
  methods.every((method) => typeof get(object, method) === "function");

/** Puts a method on an object, in place of the one that its class has. */
function put(object: object, key: PropertyKey, value: AnyFunction): void {
  Object.defineProperty(object, key, { value, writable: true, configurable: true });
}

/** Whether methods can be put on an object. */
const isOpen = (object: object): boolean => Object.isExtensible(object);

/**
 * What somebody may hold of a result without holding the result itself, such as its iterator. It keeps the result from
 * being collected, which would end the run.
 */
const resultOf = new WeakMap<object, object>();

/** A web stream, of any implementation. Whoever reads it reads through a second one, which tells what comes. */
const webStream: ResultKind<ReadableStream> = {
  name: "ReadableStream",
  matches: (result) => isWebStream(result) && isOpen(result) && !(result as ReadableStream).locked,
  follow(stream, call) {
    let isOfBytes = false;
    followStream(stream, call, (chunk) => {
      if (!ArrayBuffer.isView(chunk)) call.step(chunk);
      else if (!isOfBytes) call.step(stream); // bytes are no values: the stream tells that
      isOfBytes ||= ArrayBuffer.isView(chunk);
    });
    return stream;
  },
};

const isWebStream = (value: object): boolean => has(value, "getReader", "tee", "pipeTo", "cancel");

const READING = ["getReader", "pipeThrough", "pipeTo", "tee", "cancel", "values", Symbol.asyncIterator] as const;

function followStream(stream: ReadableStream, call: FollowedCall, chunk: (value: unknown) => void): void {
  const { getReader } = stream;
  const bytes = canReadBytes(stream);
  let opened: ReadableStream | undefined;
  const open = (): ReadableStream => {
    opened ??= through(Reflect.apply(getReader, stream, []) as ReadableStreamDefaultReader, { bytes, call, chunk });
    return opened;
  };
  for (const method of READING)
    if (has(stream, method)) put(stream, method, (...args) => (open() as unknown as Methods)[method]?.(...args));
  Object.defineProperty(stream, "locked", { get: () => opened?.locked === true, configurable: true });
}

interface Reading {
  readonly bytes: boolean;
  readonly call: FollowedCall;
  readonly chunk: (value: unknown) => void;
}

/** Whether a stream gives bytes to readers that bring their own buffers. */
function canReadBytes(stream: ReadableStream): boolean {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes a stream of what a reader reads in the run of a call, which is told of each chunk. Nothing is read before it is
 * wanted.
 */
function through(reader: ReadableStreamDefaultReader, { bytes, call, chunk }: Reading): ReadableStream {
  const source = {
    async pull(controller: ReadableStreamDefaultController | ReadableByteStreamController): Promise<void> {
      try {
        for (;;) {
          const { done, value } = await call.enter(() => reader.read());
          if (done) break;
          chunk(value);
          if (bytes && value.byteLength === 0) continue; // such a stream takes none that is empty
          controller.enqueue(value);
          return;
        }
      } catch (error) {
        call.fail(error);
        throw error;
      }
      call.done();
      controller.close();
      if ("byobRequest" in controller) controller.byobRequest?.respond(0);
    },
    cancel(reason: unknown): Promise<void> {
      call.leave();
      return call.enter(() => reader.cancel(reason));
    },
  };
  return bytes ? new ReadableStream({ ...source, type: "bytes" }) : new ReadableStream(source, { highWaterMark: 0 });
}

/** An answer whose body is still to be read. What the answer itself says is captured at once. */
const response: ResultKind<Response> = {
  name: "Response",
  matches: (result) => get(result, Symbol.toStringTag) === "Response" && has(result, "text", "clone") && isOpen(result),
  follow(answer, call) {
    const { body } = answer;
    call.step(answer);
    if (body === null || !isWebStream(body) || body.locked || answer.bodyUsed || !isOpen(body)) {
      call.done();
      return answer;
    }
    resultOf.set(body, answer);
    followStream(body, call, () => undefined);
    // Some implementations read the body without its methods.
    for (const method of ["arrayBuffer", "blob", "bytes", "formData", "json", "text"]) {
      const read = get(answer, method);
      if (typeof read === "function")
        put(answer, method, async () => {
          try {
            const given: unknown = await call.enter(() => Reflect.apply(read, answer, []));
            call.done();
            return given;
          } catch (error) {
            call.fail(error);
            throw error;
          }
        });
    }
    return answer;
  },
};

interface NodeReadable {
  readonly readableEnded: boolean;
  readonly destroyed: boolean;
  readonly errored: unknown;
  prependOnceListener(event: string | symbol, listener: (error: unknown) => void): void;
  _read: AnyFunction;
}

/** A stream of Node's that is only read. */
const nodeStream: ResultKind<NodeReadable> = {
  name: "Readable",
  matches: (result) => has(result, "pipe", "read", "on", "_read", "prependOnceListener") && !has(result, "write"),
  follow(stream, call) {
    call.step(stream); // its chunks are not captured: to listen to them would make them flow
    if (stream.readableEnded || stream.destroyed) {
      call.done();
      return stream;
    }
    // The stream's errors stay unhandled if nobody else listens.
    stream.prependOnceListener(errorMonitor, (error) => call.fail(error));
    stream.prependOnceListener("end", () => call.done());
    stream.prependOnceListener("close", () => call.leave());
    if (isOpen(stream)) {
      const { _read: read } = stream;
      put(stream, "_read", function (this: unknown, ...args) {
        return call.enter(() => Reflect.apply(read, this, args));
      });
    }
    return stream;
  },
};

/** An object that is iterated later, once: such as the stream of a model's answer. Emitters end in other ways. */
const asyncIterable: ResultKind<AsyncIterable<unknown>> = {
  name: "async iterable",
  matches: (result) =>
    has(result, Symbol.asyncIterator) && !has(result, "on") && !isWebStream(result) && isOpen(result),
  follow(iterable, call) {
    const { [Symbol.asyncIterator]: iterate } = iterable;
    let isFirst = true;
    put(iterable, Symbol.asyncIterator, function (this: unknown, ...args) {
      const first = isFirst;
      isFirst = false;
      let iterator: AsyncIterator<unknown>;
      try {
        iterator = call.enter(() => Reflect.apply(iterate, this, args)) as AsyncIterator<unknown>;
      } catch (error) {
        call.fail(error);
        throw error;
      }
      if (!first) return iterator;
      const given = followed(iterator, call);
      resultOf.set(given, iterable);
      return given;
    });
    return iterable;
  },
};

/** An iterator that tells what it gives. It has `return`, which a loop calls that is left early. */
function followed(iterator: AsyncIterator<unknown>, call: FollowedCall): AsyncIterableIterator<unknown> {
  const settle = async (
    verb: "next" | "return" | "throw",
    args: readonly unknown[],
  ): Promise<IteratorResult<unknown>> => {
    try {
      const method = iterator[verb] as AnyFunction;
      const result = (await call.enter(() => Reflect.apply(method, iterator, args))) as IteratorResult<unknown>;
      if (Object(result) !== result) call.fail(new TypeError(`${verb}() of an iterator gave no object`));
      else if (result.done !== true) call.step(result.value);
      else if (verb === "return") call.leave();
      else call.done();
      return result;
    } catch (error) {
      call.fail(error);
      throw error;
    }
  };
  return {
    next: (...args) => settle("next", args),
    async return(value?: unknown) {
      if (iterator.return !== undefined) return settle("return", [value]);
      call.leave();
      return { done: true, value };
    },
    ...(iterator.throw && { throw: (error: unknown) => settle("throw", [error]) }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

const KINDS: readonly ResultKind[] = [response, webStream, nodeStream, asyncIterable];
const NONE: readonly ResultKind[] = [];

/** The kinds that a result may be of without registration, the more special ones first. Most results are of none. */
export function kindsFor(result: object): readonly ResultKind[] {
  return Symbol.asyncIterator in result || "getReader" in result || "clone" in result ? KINDS : NONE;
}
