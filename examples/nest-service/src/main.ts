// The Pulse experiment as a service with Nest. In this folder:
//   npm install && npm test && npm run build && npm start
//   curl -i -H 'content-type: application/json' -d '{ "shots": 2 }' http://127.0.0.1:8080/experiments
//   curl -N http://127.0.0.1:8080/experiments/<its id>/epochs
// In a clone of the repository, where it is built, `npm install --no-save --install-links ../..` takes the package from
// there. A link to it would find the Nest of the repository, a second one beside that of the service.
// Runs go where MLFLOW_TRACKING_URI says, otherwise into mlflow.db. SIGTERM and Ctrl+C shut it down cleanly.
import { NestFactory } from "@nestjs/core";
import { AppModule } from "./app.module.js";

const app = await NestFactory.create(AppModule, { logger: ["error", "warn"] });
app.enableShutdownHooks(); // otherwise nobody waits for answers and for delivery
await app.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1");
console.log(`Listening at ${await app.getUrl()}`);
