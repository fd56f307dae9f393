import { Controller, Get } from "@nestjs/common";
import type { Tracker } from "pulse-mlflow";
import { InjectTracker } from "pulse-mlflow/nestjs";

@Controller("health")
export class HealthController {
  constructor(@InjectTracker() private readonly tracker: Tracker) {}

  /** Healthy in any case: the service works without its tracking. */
  @Get()
  health(): object {
    return { status: "ok", tracking: this.tracker.stats() };
  }
}
