import { IsInt, IsPositive, Max, Min } from "class-validator";
import type { Hyperparameters } from "../../../pulse-meta-learning/reptile.js";

/** The hyperparameters in the body of a request; what it leaves out has a default. */
export class CreateExperiment implements Hyperparameters {
  @IsPositive()
  inner_lr = 0.2;

  @IsInt()
  @Min(1)
  @Max(20)
  shots = 1;

  @IsInt()
  @Min(1)
  @Max(10)
  inner_steps = 3;

  @IsInt()
  @Min(1)
  @Max(50)
  meta_steps = 2;

  @IsInt()
  @Min(1)
  @Max(1_000_000)
  seed = 42;
}
