// Prints what `npm test` needs, before it starts.
import { statfsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findPython } from "./python.mjs";

const { bavail, bsize } = statfsSync(fileURLToPath(new URL("..", import.meta.url)));
const python = findPython();
console.log(`npm test takes 15 to 40 minutes on two cores. The first time it installs what it needs: that takes the network, some minutes more,
and 2.5 GB of disk in node_modules/ and .cache/ (${((Number(bavail) * Number(bsize)) / 1e9).toFixed(0)} GB are free).
The tests against real MLflow need Python 3.10 or newer, with venv and pip: ${python ?? "there is none on the PATH, so they will be SKIPPED"}.
A part of the tests: npm test -- recorder/ cli/
`);
