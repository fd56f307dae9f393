import type { Server, ServerResponse } from "node:http";
import { type BeforeApplicationShutdown, Injectable, type OnModuleInit } from "@nestjs/common";
import { HttpAdapterHost } from "@nestjs/core";

/**
 * Closes connections with the last answers: otherwise they are kept alive for a next request, and the end of the
 * application waits for it.
 */
@Injectable()
export class LastAnswers implements OnModuleInit, BeforeApplicationShutdown {
  private readonly open = new Set<ServerResponse>();

  constructor(private readonly host: HttpAdapterHost) {}

  onModuleInit(): void {
    const server: Server = this.host.httpAdapter.getHttpServer();
    // A middleware would come later: Nest first reads the body.
    server.prependListener("request", (_request, response) => {
      this.open.add(response);
      response.once("close", () => this.open.delete(response));
    });
  }

  beforeApplicationShutdown(): void {
    for (const response of this.open) if (!response.headersSent) response.setHeader("connection", "close");
  }
}
