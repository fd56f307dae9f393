import type { ErrorRequestHandler } from "express";
import { PulseError } from "pulse-mlflow";
import { Diverged } from "./trainer.js";

/** An error that the caller may know, and the status of the answer. */
export class HttpError extends Error {
  readonly status: number;
  readonly problems: readonly string[] | undefined;

  constructor(status: number, message: string, problems?: readonly string[]) {
    super(message);
    this.status = status;
    this.problems = problems;
  }
}

/** Answers errors as JSON. Express knows it by its four parameters. */
export const answerErrors: ErrorRequestHandler = (error, _request, response, next) => {
  if (response.headersSent) return next(error); // too late: Express breaks the answer off
  const { status, message, problems } = known(error);
  response.status(status).json({ error: message, problems });
};

function known(error: unknown): { status: number; message: string; problems?: readonly string[] | undefined } {
  if (error instanceof HttpError) return error;
  if (error instanceof Diverged) return { status: 422, message: error.message };
  // Only reading waits for the store. Training goes on without it.
  if (error instanceof PulseError) return { status: 503, message: "Experiments cannot be read at the moment." };
  const { status, expose, message } = error as { status?: number; expose?: boolean; message: string };
  if (status !== undefined && expose) return { status, message }; // Express's own, such as for a body that is no JSON
  return { status: 500, message: "Something went wrong." }; // what it was is in the request's run
}
