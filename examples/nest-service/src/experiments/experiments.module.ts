import { Module } from "@nestjs/common";
import { loadDigits } from "../../../pulse-meta-learning/digits.js";
import { ExperimentsController } from "./experiments.controller.js";
import { ExperimentsService } from "./experiments.service.js";
import { DIGITS, Learner } from "./learner.js";

@Module({
  controllers: [ExperimentsController],
  providers: [ExperimentsService, Learner, { provide: DIGITS, useFactory: loadDigits }],
})
export class ExperimentsModule {}
