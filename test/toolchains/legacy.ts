// What only the legacy dialect can do: a project like those of Nest, with parameter decorators and the types of
// parameters at run time.
import "reflect-metadata";
import assert from "node:assert/strict";
import { flush, LogMetric, LogParam, LogTag, stats, TrackedExperiment, TrackedRun } from "pulse-mlflow";

// As Nest's own: the one puts metadata on the class, the next on the function, the third on the class under the
// method's name.
const Injectable = (): ClassDecorator => (target) => Reflect.defineMetadata("injectable", true, target);
const Get =
  (path: string): MethodDecorator =>
  (_target, _key, descriptor) =>
    Reflect.defineMetadata("path", path, descriptor.value as object);
const Query =
  (name: string): ParameterDecorator =>
  (target, key, index) => {
    const names = Reflect.getMetadata("names", target.constructor, key ?? "") ?? {};
    Reflect.defineMetadata("names", { ...names, [index]: name }, target.constructor, key ?? "");
  };
const Inject =
  (token: string): ParameterDecorator =>
  (target, _key, index) =>
    Reflect.defineMetadata(`inject ${index}`, token, target);
/** Replaces the method, as an interceptor does. */
const Traced: MethodDecorator = (_target, _key, descriptor) => {
  const original = descriptor.value as (...args: unknown[]) => unknown;
  const around = function (this: unknown, ...args: unknown[]): unknown {
    return original.apply(this, args);
  };
  for (const key of Reflect.getMetadataKeys(original))
    Reflect.defineMetadata(key, Reflect.getMetadata(key, original), around);
  return { ...descriptor, value: around } as typeof descriptor;
};

@Injectable()
class Repository {
  readonly shots = 5;
}

@Injectable()
@TrackedExperiment("Legacy", { tags: { side: "server" } })
@Injectable()
class Controller {
  constructor(
    readonly repository: Repository,
    @Inject("SCALE") readonly scale: number,
  ) {}

  @Get("above")
  @LogParam("lr")
  @LogMetric("loss")
  above(@Query("lr") lr: number, @Query("name") _name: string): { loss: number } {
    return { loss: lr * this.scale };
  }

  @LogMetric("loss")
  @LogParam("lr")
  @Get("below")
  async below(@Query("lr") lr: number): Promise<{ loss: number }> {
    return { loss: lr * this.repository.shots };
  }

  @LogParam("size")
  @Get("middle")
  @LogMetric
  middle(@Query("size") size: number): number {
    return size;
  }

  @TrackedRun
  @LogTag
  @Traced
  @Get("between")
  @LogMetric("size")
  between(repository: Repository, @Query("size") size: number): number {
    return repository.shots * size;
  }

  @Get("parameters")
  parameters(
    @LogParam("rate") @Query("lr") lr: number,
    @Query("model") @LogParam(["name"]) model: { name: string },
  ): number {
    return lr * model.name.length;
  }
}

async function main(): Promise<void> {
  const controller = new Controller(new Repository(), 2);
  assert.deepEqual(controller.above(0.5, "x"), { loss: 1 });
  assert.deepEqual(await controller.below(0.5), { loss: 2.5 });
  assert.equal(controller.middle(3), 3);
  assert.equal(controller.between(controller.repository, 7), 35);

  assert.equal(controller.parameters(0.5, { name: "mlp" }), 1.5);

  const { prototype } = Controller;
  assert.equal(Reflect.getMetadata("injectable", Controller), true);
  assert.equal(Reflect.getMetadata("inject 1", Controller), "SCALE");
  for (const name of ["above", "below", "middle", "between", "parameters"] as const)
    assert.equal(Reflect.getMetadata("path", prototype[name]), name);
  assert.deepEqual(Reflect.getMetadata("names", Controller, "above"), { 0: "lr", 1: "name" });
  assert.deepEqual(Reflect.getMetadata("names", Controller, "between"), { 1: "size" });

  // Not every compiler emits them; the script says whether this one does.
  const types = [
    Reflect.getMetadata("design:paramtypes", Controller),
    Reflect.getMetadata("design:paramtypes", prototype, "above"),
    Reflect.getMetadata("design:paramtypes", prototype, "below"),
    Reflect.getMetadata("design:paramtypes", prototype, "between"),
  ];
  const emitted = [[Repository, Number], [Number, String], [Number], [Repository, Number]];
  assert.deepEqual(types, process.env["DESIGN_TYPES"] === "none" ? emitted.map(() => undefined) : emitted);
  await flush();
  assert.deepEqual(stats().warnings, {});
}

/** What a test runner waits for; rejected, it ends the process with an error. */
export const done: Promise<void> = main();
