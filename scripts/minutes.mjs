/** A table of parts and the milliseconds they took, in minutes. */
export function minutesTable(parts) {
  const width = Math.max(...parts.map(([name]) => name.length));
  const rows = parts.map(([name, ms]) => `${name.padEnd(width)}  ${(ms / 60_000).toFixed(1).padStart(6)}`);
  return ["", `${"part".padEnd(width)}  minutes`, ...rows, ""].join("\n");
}
