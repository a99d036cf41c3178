// What a run cost: how busy the processors were, and how much of them a program and all it started took. Linux's /proc only.

import { readFileSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Ticks of a second, as Linux tells them to programs. */
const TICKS = 100;

/** Seconds that all processors together were busy since the machine began. */
function busy() {
  const [user, nice, system, , , irq, soft, steal] = readFileSync("/proc/stat", "utf8").split("\n")[0].trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + soft + steal) / TICKS;
}

/** Of each process: who started it, and the seconds it took. One that ends meanwhile is left out. */
function processes() {
  const all = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
      all.set(Number(pid), { parent: Number(words[1]), seconds: (Number(words[11]) + Number(words[12])) / TICKS });
    } catch {
      // It is over.
    }
  }
  return all;
}

/** Seconds of a process with all that it started. */
function treeSeconds(root) {
  const all = processes();
  const isOf = (pid) => {
    for (let at = pid, steps = 0; all.has(at) && steps < 20; at = all.get(at).parent, steps += 1) if (at === root) return true;
    return false;
  };
  return [...all.entries()].reduce((sum, [pid, { seconds }]) => sum + (isOf(pid) ? seconds : 0), 0);
}

/** Begins to measure; what is returned tells, for the time since, the share of all processors that was busy, and the cores each took. */
export function load(service) {
  const now = () => ({ at: process.hrtime.bigint(), busy: busy(), service: treeSeconds(service), browser: treeSeconds(process.pid) });
  const before = now();
  return () => {
    const after = now();
    const seconds = Number(after.at - before.at) / 1e9;
    const cores = (name) => (after[name] - before[name]) / seconds;
    return { busy: cores("busy") / availableParallelism(), service: cores("service"), browser: cores("browser") };
  };
}

/** MiB that a process has now, and had at most. */
export function memory(pid) {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / 1024;
  return { now: of("VmRSS"), most: of("VmHWM") };
}

/** The value that so large a share of them does not exceed. */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
