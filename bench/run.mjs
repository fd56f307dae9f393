// Runs the measurements, each in fresh processes, and prints one table. Arguments select some by name. Exits with 1
// when a bar is missed or a measurement fails.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./lib.mjs";

const MEASUREMENTS = {
  overhead: { repetitions: 3, flags: [] },
  sqlite: { repetitions: 3, flags: [] },
  mlruns: { repetitions: 1, flags: [], timeoutMs: 600_000 },
  python: { repetitions: 1, flags: [] },
  http: { repetitions: 1, flags: [], timeoutMs: 600_000 },
  files: { repetitions: 1, flags: [], timeoutMs: 600_000 },
  loop: { repetitions: 3, flags: [] },
  away: { repetitions: 1, flags: [], timeoutMs: 600_000 },
  memory: { repetitions: 1, flags: ["--expose-gc"] },
  contexts: { repetitions: 1, flags: [] },
  service: { repetitions: 1, flags: ["--expose-gc"] },
  import: { repetitions: 1, flags: [] },
  requests: { repetitions: 1, flags: [], timeoutMs: 600_000 },
  read: { repetitions: 1, flags: [], timeoutMs: 600_000 },
};
const TIMEOUT_MS = 180_000;

const picked = process.argv.slice(2);
const strange = picked.filter((name) => !Object.hasOwn(MEASUREMENTS, name));
if (strange.length > 0) {
  console.error(`No measurement ${strange.join(", ")}; there are ${Object.keys(MEASUREMENTS).join(", ")}.`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "pulse-bench-"));
let child;
process.on("exit", () => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

let highest = 0;
const load = () => {
  highest = Math.max(highest, loadavg()[0]);
  return `load ${loadavg()[0].toFixed(2)}`;
};
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${load()}`);
const started = Date.now();

const rows = [];
for (const [name, { repetitions, flags, timeoutMs }] of Object.entries(MEASUREMENTS)) {
  if (picked.length > 0 && !picked.includes(name)) continue;
  try {
    const reports = [];
    for (let i = 0; i < repetitions; i++) reports.push(...(await measure(name, flags, timeoutMs)));
    rows.push(...merged(reports));
  } catch (error) {
    console.error(`\n${name} failed: ${error.message}\n`);
    rows.push({ measurement: name, verdict: "failed" });
  }
}
console.log(`\n${table(rows)}\n\n${((Date.now() - started) / 1000).toFixed(0)} s, ${load()}`);
// These measurements themselves cause a load of about 1.2.
if (highest > 2)
  console.log(
    "The machine was busy with other work: take times that are no ratios (loop, import) again when it is not.",
  );
process.exitCode = rows.some(({ verdict }) => verdict !== "ok" && verdict !== "skipped") ? 1 : 0;

/** Runs one measurement in its own process and returns the rows it reports. */
function measure(name, flags, timeoutMs = TIMEOUT_MS) {
  // The developer's settings must not affect the measurement.
  const kept = Object.entries(process.env).filter(([key]) => !/^(MLFLOW|PULSE|OTEL)_|^NODE_OPTIONS$/.test(key));
  const env = { ...Object.fromEntries(kept), TMPDIR: folder, TEMP: folder, TMP: folder, XDG_STATE_HOME: folder };
  return new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
    child = spawn(process.execPath, [...flags, script], { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const lines = output.split("\n");
      const reports = lines.filter((line) => line.startsWith('{"measurement":')).map((line) => JSON.parse(line));
      load();
      for (const report of reports) console.log(progress(report));
      if (code !== 0 || reports.length === 0) reject(new Error(`exit ${code ?? signal}\n${output}`));
      else resolve(reports);
    });
  });
}

/** Returns one row per measurement: medians of its repetitions, compared with the bar. */
function merged(reports) {
  const names = [...new Set(reports.map(({ measurement }) => measurement))];
  return names.map((name) => {
    const same = reports.filter(({ measurement }) => measurement === name);
    const [row] = same;
    if (row.skipped) return { ...row, verdict: "skipped" };
    const middle = (key) => median(same.map((report) => report[key]));
    const judged = middle("judged");
    const met = row.bar === undefined || (row.atMost ? judged <= row.bar : judged >= row.bar);
    return { ...row, ours: middle("ours"), peer: middle("peer"), judged, verdict: met ? "ok" : "below bar" };
  });
}

function table(all) {
  const head = ["measurement", "ours", "beside it", "ratio", "bar", "goal", "verdict"];
  const lines = [
    head,
    ...all.map((row) => (row.unit === undefined ? [row.measurement, "", "", "", "", "", row.verdict] : cells(row))),
  ];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const padded = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column])));
  return padded.map((line) => line.join("  ").trimEnd()).join("\n");
}

function cells({ measurement, unit, ours, peer, beside, judged, times, bar, goal, atMost, verdict }) {
  const limit = (value) => (value === undefined ? "-" : `${atMost ? "≤" : "≥"} ${value}${times ? "x" : ` ${unit}`}`);
  return [
    measurement,
    `${number(ours)} ${unit}`,
    `${number(peer)} ${unit} ${beside}`,
    times ? `${judged.toFixed(2)}x` : "-",
    limit(bar),
    limit(goal),
    verdict,
  ];
}

function progress(report) {
  if (report.skipped) return `${report.measurement}: skipped, ${report.skipped}`;
  const [measurement, ours, beside, ratio] = cells(report);
  return `${measurement}: ${ours}, ${beside}${report.times ? `, ${ratio}` : ""}${report.note ? `; ${report.note}` : ""}`;
}

function number(value) {
  return Math.abs(value) >= 1_000 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}
