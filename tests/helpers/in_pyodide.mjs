// Runs a Python file in Pyodide, with the project mounted at /src.
// node in_pyodide.mjs <folder of the npm package pyodide> <project> <file>

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [, , folder, project, file] = process.argv;
const { loadPyodide } = await import(pathToFileURL(`${folder}/pyodide.mjs`).href);
const python = await loadPyodide();
python.FS.mkdir("/src");
python.FS.mount(python.FS.filesystems.NODEFS, { root: project }, "/src");
await python.runPythonAsync(readFileSync(file, "utf-8"));
process.exit(0);
