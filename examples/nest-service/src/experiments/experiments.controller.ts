import { Body, Controller, Get, type MessageEvent, NotFoundException, Param, Post, Sse } from "@nestjs/common";
import { map, type Observable } from "rxjs";
import { CreateExperiment } from "./create-experiment.dto.js";
import { ExperimentsService, type StoredExperiment } from "./experiments.service.js";
import { Learner, type Trained } from "./learner.js";

@Controller("experiments")
export class ExperimentsController {
  constructor(
    private readonly learner: Learner,
    private readonly experiments: ExperimentsService,
  ) {}

  @Post()
  create(@Body() hyperparameters: CreateExperiment): Promise<Trained> {
    return this.learner.train(hyperparameters);
  }

  @Get(":id")
  async find(@Param("id") id: string): Promise<StoredExperiment> {
    const experiment = await this.experiments.find(id);
    if (experiment === undefined) throw new NotFoundException(`There is no experiment ${id}.`);
    return experiment;
  }

  /** Trains it once more for whoever watches, an event for each epoch. */
  @Sse(":id/epochs")
  async epochs(@Param("id") id: string): Promise<Observable<MessageEvent>> {
    const { hyperparameters } = await this.find(id);
    return this.learner.repeat(hyperparameters).pipe(map((data) => ({ data })));
  }
}
