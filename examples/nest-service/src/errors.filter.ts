import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from "@nestjs/common";
import { HttpAdapterHost } from "@nestjs/core";
import { PulseError } from "pulse-mlflow";
import { Diverged } from "./experiments/learner.js";

/** Answers errors as JSON. */
@Catch()
export class ErrorsFilter implements ExceptionFilter {
  constructor(private readonly host: HttpAdapterHost) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.host;
    const response: unknown = host.switchToHttp().getResponse();
    const { status, ...body } = known(error);
    if (httpAdapter.isHeadersSent(response))
      httpAdapter.end(response); // too late for another answer
    else httpAdapter.reply(response, body, status);
  }
}

function known(error: unknown): { status: number; error: string; problems?: readonly string[] } {
  if (error instanceof HttpException) {
    const status = error.getStatus();
    const { message } = error.getResponse() as { message?: unknown };
    if (!Array.isArray(message)) return { status, error: error.message };
    return { status, error: "This request cannot be used.", problems: message }; // of the ValidationPipe
  }
  if (error instanceof Diverged) return { status: 422, error: error.message };
  // Only reading waits for the store. Training goes on without it.
  if (error instanceof PulseError) return { status: 503, error: "Experiments cannot be read at the moment." };
  return { status: 500, error: "Something went wrong." }; // what it was is in the request's run
}
