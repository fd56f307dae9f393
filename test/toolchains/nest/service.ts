// A service that ends by a signal, and leaves its runs in the file of TRACKING_URI. Argument: the platform.
import { setTimeout as wait } from "node:timers/promises";
import { Controller, Get, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { PulseMlflowModule } from "pulse-mlflow/nestjs";
import { Jobs, Learner, LessonsController, PerRequest } from "./app.js";

@Controller()
class SlowController {
  @Get("slow")
  async slow(): Promise<string> {
    process.send?.("slow");
    await wait(200);
    return "done";
  }
}

@Module({
  imports: [
    PulseMlflowModule.forRootAsync({
      useFactory: () => ({
        config: { trackingUri: String(process.env["TRACKING_URI"]) },
        requests: { experiment: "Service", maxRunsPerSecond: 1_000 },
      }),
    }),
  ],
  controllers: [LessonsController, SlowController],
  providers: [Learner, PerRequest, Jobs],
})
class AppModule {}

const adapter = process.argv[2] === "Fastify" ? new FastifyAdapter() : new ExpressAdapter();
const app = await NestFactory.create(AppModule, adapter as ExpressAdapter, { logger: ["error"] });
app.enableShutdownHooks();
await app.listen(0, "127.0.0.1");
process.send?.(app.getHttpServer().address().port);
