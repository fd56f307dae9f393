// An application as people write them: guards, pipes, interceptors, filters, streams, and the documents of swagger.
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import {
  type ArgumentsHost,
  Body,
  type CallHandler,
  type CanActivate,
  Catch,
  Controller,
  type DynamicModule,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  HttpCode,
  HttpException,
  Injectable,
  type MessageEvent,
  Module,
  type NestInterceptor,
  type OnApplicationShutdown,
  Param,
  ParseIntPipe,
  Post,
  Query,
  Scope,
  SetMetadata,
  Sse,
  StreamableFile,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from "@nestjs/common";
import { Reflector } from "@nestjs/core";
import { EventPattern, MessagePattern, Payload } from "@nestjs/microservices";
import { Cron, ScheduleModule } from "@nestjs/schedule";
import { ApiOperation, ApiProperty, ApiTags } from "@nestjs/swagger";
import { IsInt, Max } from "class-validator";
import { currentRun, LogMetric, LogParam, TrackedExperiment, TrackedRun, withRun } from "pulse-mlflow";
import { concatMap, delay, from, interval, map, type Observable, of, tap } from "rxjs";

const seen = (): void => currentRun()?.logMetric("seen", 1);

export class Lesson {
  @ApiProperty({ description: "How many epochs" })
  @IsInt()
  @Max(10)
  epochs!: number;
}

/** Decorated before Nest's own decorator sees it, and after. */
@Injectable()
@TrackedExperiment("PulseMetaLearning")
export class Learner {
  @LogMetric("loss")
  async *train(@LogParam("epochs") epochs: number): AsyncGenerator<{ loss: number }> {
    for (let epoch = 1; epoch <= epochs; epoch++) {
      await wait(1);
      yield { loss: 1 / epoch };
    }
  }

  @TrackedRun()
  @LogMetric("loss")
  watch(): Observable<{ loss: number }> {
    return from([1, 2, 3]).pipe(concatMap((n) => of({ loss: 1 / n }).pipe(delay(1))));
  }
}

const Roles = (...roles: string[]) => SetMetadata("roles", roles);

@Injectable()
export class RolesGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    seen();
    const roles = this.reflector.get<string[]>("roles", context.getHandler());
    return roles === undefined || roles.includes("guest");
  }
}

@Injectable()
export class Wrapping implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data) => ({ data })));
  }
}

export class Teapot extends Error {}

@Catch(Teapot)
export class TeapotFilter implements ExceptionFilter {
  catch(error: Teapot, host: ArgumentsHost): void {
    seen();
    const reply = host.switchToHttp().getResponse();
    reply.status(418).send({ tea: error.message });
  }
}

@Injectable({ scope: Scope.REQUEST })
export class PerRequest {
  readonly run = currentRun()?.id;
}

@ApiTags("lessons")
@Controller("lessons")
@UseGuards(RolesGuard)
export class LessonsController {
  constructor(
    private readonly learner: Learner,
    private readonly perRequest: PerRequest,
  ) {}

  @Get(":id")
  @ApiOperation({ summary: "One lesson" })
  @TrackedRun()
  @LogMetric("id")
  find(@Param("id", ParseIntPipe) id: number, @Query("q") q?: string): { id: number; q?: string; same: boolean } {
    seen();
    return { id, same: this.perRequest.run === currentRun()?.id, ...(q && { q }) };
  }

  @Post()
  @HttpCode(201)
  @UsePipes(new ValidationPipe({ transform: true }))
  @UseInterceptors(Wrapping)
  async create(@Body() lesson: Lesson): Promise<{ loss: number | undefined }> {
    seen();
    let loss: number | undefined;
    for await (const epoch of this.learner.train(lesson.epochs)) loss = epoch.loss;
    return { loss };
  }

  @Get("secret/key")
  @Roles("teacher")
  secret(): string {
    return "secret";
  }
}

@Controller()
export class CornersController {
  constructor(private readonly learner: Learner) {}

  @Get("boom")
  boom(): never {
    seen();
    throw new RangeError("boom");
  }

  @Get("unavailable")
  async unavailable(): Promise<never> {
    throw new HttpException("later", 503);
  }

  @Get("tea")
  @UseFilters(TeapotFilter)
  tea(): never {
    throw new Teapot("short and stout");
  }

  @Get("observable")
  observable(): Observable<{ loss: number }> {
    return this.learner.watch();
  }

  @Sse("events")
  events(): Observable<MessageEvent> {
    return from([1, 2, 3]).pipe(
      concatMap((n) => of({ data: { n } }).pipe(delay(1))),
      tap(seen),
    );
  }

  @Sse("refused-events")
  async refused(): Promise<Observable<MessageEvent>> {
    await wait(5);
    throw new HttpException("none", 404);
  }

  @Get("guarded")
  @UseGuards({
    canActivate() {
      throw new EvalError("guard");
    },
  })
  guarded(): string {
    return "never";
  }

  @Sse("ticks")
  ticks(): Observable<MessageEvent> {
    return interval(1).pipe(map((n) => ({ data: { n } })));
  }

  @Get("file")
  @TrackedRun({ runName: "file" })
  file(): StreamableFile {
    return new StreamableFile(Readable.from(chunks()), { type: "text/plain" });
  }

  @Get("endless")
  endless(): StreamableFile {
    return new StreamableFile(Readable.from(endless()));
  }

  @MessagePattern("double")
  double(@Payload() n: number): Observable<number> {
    seen();
    return of(n).pipe(
      delay(1),
      tap(seen),
      map((each) => each * 2),
    );
  }

  @MessagePattern("fail")
  fail(): never {
    throw new RangeError("message");
  }

  @EventPattern("noted")
  async noted(@Payload() _note: unknown): Promise<void> {
    await wait(1);
    seen();
  }
}

async function* chunks(): AsyncGenerator<Buffer> {
  for (let i = 0; i < 3; i++) {
    seen();
    yield Buffer.from("0123456789");
    await wait(1);
  }
}
async function* endless(): AsyncGenerator<Buffer> {
  for (;;) {
    yield Buffer.alloc(1_000, "x");
    await wait(1);
  }
}

@Injectable()
export class Jobs implements OnApplicationShutdown {
  ran = 0;

  @Cron("* * * * * *")
  @TrackedRun({ runName: "job" })
  @LogMetric("n")
  everySecond(): { n: number } {
    return { n: ++this.ran };
  }

  onApplicationShutdown(): void {
    withRun({ runName: "last words" }, seen);
  }
}

/** `pulse`: our module, or nothing of it. */
export const applicationOf = (pulse: readonly DynamicModule[], jobs = false) => {
  @Module({
    imports: [...pulse, ...(jobs ? [ScheduleModule.forRoot()] : [])],
    controllers: [LessonsController, CornersController],
    providers: [Learner, PerRequest, ...(jobs ? [Jobs] : [])],
  })
  class AppModule {}
  return AppModule;
};
