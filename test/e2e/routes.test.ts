import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { logExperiment } from "../../src/index.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import type { Which } from "./peer.js";

interface Pythons {
  environments(): Promise<Record<Which, { python: string }> | undefined>;
}

const { environments } = (await import(pathToFileURL("scripts/python.mjs").href)) as Pythons;
const pythons = await environments();
const server = await FakeMlflow.start();
after(() => server.close());

/** The scripts of MLflow's pages. */
function scripts(which: Which): string[] {
  const library = join(dirname(dirname(pythons?.[which].python ?? "")), "lib");
  return readdirSync(library, { recursive: true })
    .map(String)
    .filter((path) => /mlflow.server.js.build.static.js.[^/\\]+\.js$/.test(path))
    .map((path) => readFileSync(join(library, path), "utf8"));
}

/** Of MLflow's routes the one that shows this address, the most exact one. */
function routeOf(address: string, routes: ReadonlySet<string>): string | undefined {
  const path = new URL(new URL(address).hash.slice(1), "http://page").pathname;
  const fits = (route: string): boolean => new RegExp(`^${route.replace(/:\w+/g, "[^/]+")}$`).test(path);
  const parts = (route: string): number => route.split(":").length;
  return [...routes].filter(fits).sort((a, b) => parts(a) - parts(b))[0];
}

for (const [which, runs] of [
  ["newest", "/experiments/:experimentId/runs"],
  ["old", "/experiments/:experimentId/:tabName"],
] as const)
  test(`printed links lead to an experiment's runs and to a run in MLflow (${which})`, async () => {
    const pages = scripts(which);
    const routes = new Set(
      pages.flatMap((text) =>
        [...text.matchAll(/"(\/experiments\/:experimentId[\w/:-]*)"/g)].map(([, route]) => String(route)),
      ),
    );
    const [link = ""] = /http:\/\/127\.0\.0\.1:5000\/#\S*?(?=`)/.exec(readFileSync("README.md", "utf8")) ?? [];
    assert.equal(routeOf(link, routes), runs, link);
    const { url = "" } = await logExperiment({ experiment: "Routes", trackingUri: server.url });
    assert.equal(routeOf(url, routes), "/experiments/:experimentId/runs/:runUuid", url);
    // What makes the newest show runs of training, and not those of evaluations.
    const wanted = new URL(new URL(link).hash.slice(1), "http://page").searchParams.get("workflowType");
    if (which === "newest")
      assert.ok(
        pages.some((text) => text.includes(`MACHINE_LEARNING="${wanted}"`) && text.includes('.get("workflowType")')),
      );
  });
