import { Module, ValidationPipe } from "@nestjs/common";
import { ConfigModule, ConfigService } from "@nestjs/config";
import { APP_FILTER, APP_PIPE } from "@nestjs/core";
import { PulseMlflowModule } from "pulse-mlflow/nestjs";
import { ErrorsFilter } from "./errors.filter.js";
import { ExperimentsModule } from "./experiments/experiments.module.js";
import { EXPERIMENT } from "./experiments/learner.js";
import { HealthController } from "./health.controller.js";
import { LastAnswers } from "./last-answers.js";

@Module({
  imports: [
    PulseMlflowModule.forRootAsync({
      imports: [ConfigModule.forRoot()],
      inject: [ConfigService],
      useFactory: (settings: ConfigService) => ({
        config: { trackingUri: settings.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db") },
        // A training that is folded with others could not be read back: each gets a run.
        requests: { experiment: EXPERIMENT, maxRunsPerSecond: 1_000, when: ({ url }) => url !== "/health" },
      }),
    }),
    ExperimentsModule,
  ],
  controllers: [HealthController],
  providers: [
    LastAnswers,
    { provide: APP_FILTER, useClass: ErrorsFilter },
    {
      provide: APP_PIPE,
      useValue: new ValidationPipe({
        transform: true,
        whitelist: true,
        forbidNonWhitelisted: true,
        stopAtFirstError: true,
      }),
    },
  ],
})
export class AppModule {}
