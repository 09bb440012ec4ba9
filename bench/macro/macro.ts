/**
 * Servers under load, each alone, in turn, round after round: what disturbs one round disturbs all servers of it, and ratios
 * are taken within a round. A server is started anew for each measurement, so that its peak of memory is this load's.
 *
 * A row counts only when every answer was the one that was asked for: the first answer is read and compared before and
 * after the load, and one socket error or one unexpected status makes the row invalid.
 */
import type { Measurement, ScenarioResult, ScenarioRow } from "../support/results.ts";
import { type Load, type LoadResult, runLoad } from "../support/wrk.ts";
import { type PeerName, type Programs, peers, type Running } from "./peers.ts";
import type { Scenario, Task } from "./scenarios.ts";
import type { Site } from "./site.ts";

/** Seconds of load before the measurement: caches fill, code is compiled. wrk counts in whole seconds. */
const WARM_UP_SECONDS = 3;

/** Connections of the warm-up at most. */
const WARM_UP_CONNECTIONS = 64;

export interface MacroOptions {
  readonly site: Site;
  readonly programs: Programs;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  /** Leaves out what says no, in quick runs. */
  readonly wanted: (peer: PeerName) => boolean;
  readonly progress: (text: string) => void;
}

/** Never rejects because of a server: its row says what went wrong. */
export async function runScenario(scenario: Scenario, options: MacroOptions): Promise<ScenarioResult> {
  const task = scenario.prepare(options.site);
  const rows: ScenarioRow[] = [];
  for (const peer of scenario.peers.filter(options.wanted)) {
    const { needs } = peers[peer];
    const invalid = options.versions[needs] === undefined ? `${needs} is missing` : null;
    rows.push({ peer, rounds: [], invalid });
  }
  for (let round = 0; round < options.rounds; round++) {
    for (let i = 0; i < rows.length; i++) {
      // Each round begins with another server: none always follows the same one.
      const row = rows[(i + round) % rows.length] as ScenarioRow;
      options.progress(`${scenario.name}: round ${round + 1} of ${options.rounds}, ${row.peer}`);
      row.rounds.push(row.invalid === null ? await measureRow(row, scenario, task, options) : null);
    }
  }
  return {
    name: scenario.name,
    title: scenario.title,
    contentBytes: task.isLarge === true ? task.contentBytes : null,
    skipped: null,
    rows,
  };
}

async function measureRow(
  row: ScenarioRow,
  scenario: Scenario,
  task: Task,
  options: MacroOptions,
): Promise<Measurement | null> {
  const { site, programs } = options;
  try {
    const running = await peers[row.peer as PeerName].start({ site, flavor: scenario.flavor, programs });
    try {
      const measurement = await measure(running, task, options.seconds);
      row.invalid = faultOf(measurement, task);
      return measurement;
    } finally {
      await running.server.end();
    }
  } catch (error) {
    row.invalid = error instanceof Error ? error.message : String(error);
    return null;
  }
}

async function measure({ server, url }: Running, task: Task, seconds: number): Promise<Measurement> {
  const fields = [...(task.fields ?? [])];
  if (task.isConditional === true) fields.push(await conditionOf(url + task.target));
  await checkAnswer(url, task, fields);
  const load: Load = {
    url: url + task.target,
    connections: task.connections,
    fields,
    ...(task.batch === undefined ? {} : { batch: task.batch }),
    ...(task.listFile === undefined ? {} : { listFile: task.listFile }),
    ...(task.bodyFile === undefined ? {} : { bodyFile: task.bodyFile }),
  };
  await runLoad({ ...load, connections: Math.min(load.connections, WARM_UP_CONNECTIONS) }, WARM_UP_SECONDS);
  const before = server.cpuMicroseconds();
  const result = await runLoad(load, Math.max(seconds, task.secondsMin ?? 0));
  const cpuUs = server.cpuMicroseconds() - before;
  const peakKiB = server.peakResidentKiB();
  if (!server.isRunning()) throw new Error("the server ended under load");
  await checkAnswer(url, task, fields);
  return { ...result, cpuUs: cpuPerRequest(cpuUs, result, task), peakKiB };
}

/** Of large files, the part that was sent counts too. */
function cpuPerRequest(cpuUs: number, result: LoadResult, task: Task): number | null {
  const isLarge = task.isLarge === true && task.contentBytes !== null;
  const requests = isLarge ? result.bytes / (task.contentBytes as number) : result.requests;
  return requests > 0 ? cpuUs / requests : null;
}

/** Rejects, saying what came, when the first answer is not the expected one. */
async function checkAnswer(url: string, task: Task, fields: readonly string[]): Promise<void> {
  const response = await ask(url + task.target, task, fields);
  let bytes = 0;
  for await (const chunk of response.body ?? []) bytes += chunk.length;
  if (response.status !== task.status) throw new Error(`answered ${response.status} instead of ${task.status}`);
  if (task.contentBytes !== null && bytes !== task.contentBytes) {
    throw new Error(`sent ${bytes} bytes of content instead of ${task.contentBytes}`);
  }
}

async function ask(url: string, task: Task | null, fields: readonly string[]): Promise<Response> {
  const headers = new Headers({ "Accept-Encoding": "identity" });
  for (const field of fields) {
    const colon = field.indexOf(":");
    const name = field.slice(0, colon);
    // The generator has no decoder, and asks for compressed content only where a browser's head says so.
    if (name !== "Accept-Encoding") headers.set(name, field.slice(colon + 1).trim());
  }
  const body = task?.bodyFile === undefined ? null : await Bun.file(task.bodyFile).bytes();
  if (body !== null) headers.set("Content-Type", "application/json");
  return fetch(url, {
    method: body === null ? "GET" : "POST",
    headers,
    body,
    redirect: "manual",
    keepalive: false,
    tls: { rejectUnauthorized: false },
  });
}

/** The field that makes the server say 304: by its ETag, else by its Last-Modified. */
async function conditionOf(url: string): Promise<string> {
  const response = await ask(url, null, []);
  await response.arrayBuffer();
  const etag = response.headers.get("ETag");
  if (etag !== null) return `If-None-Match: ${etag}`;
  const lastModified = response.headers.get("Last-Modified");
  if (lastModified !== null) return `If-Modified-Since: ${lastModified}`;
  throw new Error("has neither ETag nor Last-Modified");
}

function faultOf(measurement: Measurement, task: Task): string | null {
  const { requests, bytes, socketErrors, statusErrors } = measurement;
  if (requests === 0 && !(task.isLarge === true && bytes > 0)) return "no answer under load";
  if (socketErrors > 0) return `${socketErrors} socket errors under load`;
  const expected = task.status >= 400 ? requests : 0;
  if (statusErrors !== expected) return `${Math.abs(statusErrors - expected)} unexpected statuses under load`;
  return null;
}
