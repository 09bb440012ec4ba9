/**
 * Servers under load, all of a scenario alive at once and measured in turn, round after round: what disturbs one round disturbs
 * all servers of it, and ratios are taken within a round. Where a load leaves something behind (uploads), a server is
 * started anew for each measurement instead.
 *
 * A row counts only when every answer was the one that was asked for: the first answer is read and compared before and
 * after the load, and one socket error or one unexpected status makes the row invalid.
 */
import { inTurn, underLoad } from "../support/measure.ts";
import type { CpuSpent } from "../support/process.ts";
import type { Measurement, ScenarioResult, ScenarioRow } from "../support/results.ts";
import { runSink } from "../support/sink.ts";
import { type Load, type LoadResult, runLoad } from "../support/wrk.ts";
import { type Flavor, type PeerName, type Programs, peers, type Running } from "./peers.ts";
import type { Scenario, Task } from "./scenarios.ts";
import type { Site } from "./site.ts";

/** Connections of the warm-up at most. */
const WARM_UP_CONNECTIONS = 64;

interface MacroOptions {
  readonly site: Site;
  readonly programs: Programs;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly seconds: number;
  /** Leaves out what says no, in shorter runs. */
  readonly wanted: (peer: PeerName) => boolean;
  /** `text` is what goes on; before its last comma, what of it is worth a line of its own. */
  readonly progress: (text: string) => void;
}

/** One row of a scenario, and how its server is started and asked. */
interface Contender {
  readonly row: ScenarioRow;
  readonly peer: PeerName;
  readonly flavor: Flavor;
  readonly task: Task;
  readonly generator: "wrk" | "sink";
}

/** A server that is ready and warm. */
interface Candidate {
  readonly contender: Contender;
  readonly running: Running;
  /** Of the task, and of conditional requests. */
  readonly fields: readonly string[];
}

/** Never rejects because of a server: its row says what went wrong. */
export async function runScenario(scenario: Scenario, options: MacroOptions): Promise<ScenarioResult> {
  const task = scenario.prepare(options.site);
  const contenders = contendersOf(scenario, task, options);
  if (scenario.startsAnew === true) await measureAnew(scenario, contenders, options);
  else await measureTogether(scenario, contenders, options);
  return {
    name: scenario.name,
    title: scenario.title,
    contentBytes: task.isLarge === true ? task.contentBytes : null,
    skipped: null,
    rows: contenders.map(({ row }) => row),
  };
}

function contendersOf(scenario: Scenario, task: Task, options: MacroOptions): readonly Contender[] {
  const { site, versions, wanted } = options;
  const { flavor, generator = "wrk", reference } = scenario;
  const contender = (name: string, peer: PeerName, its: { flavor: Flavor; task: Task }): Contender => {
    const { needs } = peers[peer];
    const invalid = versions[needs] === undefined ? `${needs} is missing` : null;
    return { row: { peer: name, rounds: [], invalid }, peer, generator, ...its };
  };
  const rows = scenario.peers.filter(wanted).map((peer) => contender(peer, peer, { flavor, task }));
  if (reference !== undefined) {
    const its = { flavor: reference.flavor, task: reference.prepare(site) };
    rows.push(contender(`httpserver, ${reference.name}`, "httpserver", its));
  }
  return rows;
}

async function measureTogether(
  scenario: Scenario,
  contenders: readonly Contender[],
  options: MacroOptions,
): Promise<void> {
  const { rounds, progress } = options;
  const candidates: Candidate[] = [];
  try {
    for (const contender of contenders) {
      progress(`${scenario.name}: warm-up, ${contender.row.peer}`);
      const candidate = await attempt(contender, () => start(contender, options));
      if (candidate !== null) candidates.push(candidate);
    }
    for (let round = 0; round < rounds; round++) {
      for (const candidate of inTurn(candidates, round)) {
        const { contender } = candidate;
        progress(`${scenario.name}: round ${round + 1} of ${rounds}, ${contender.row.peer}`);
        contender.row.rounds.push(await attempt(contender, () => measure(candidate, options)));
      }
    }
    for (const { contender, running, fields } of candidates) {
      await attempt(contender, () => checkAnswer(running.url, contender.task, fields));
    }
  } finally {
    await Promise.all(candidates.map(({ running }) => running.server.end()));
  }
}

async function measureAnew(scenario: Scenario, contenders: readonly Contender[], options: MacroOptions): Promise<void> {
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of inTurn(contenders, round)) {
      options.progress(`${scenario.name}: round ${round + 1} of ${options.rounds}, ${contender.row.peer}`);
      const measurement = await attempt(contender, async () => {
        const candidate = await start(contender, options);
        try {
          const measured = await measure(candidate, options);
          await checkAnswer(candidate.running.url, contender.task, candidate.fields);
          return measured;
        } finally {
          await candidate.running.server.end();
        }
      });
      contender.row.rounds.push(measurement);
    }
  }
}

/** What `action` gives; null when it rejects, which the row then says, and for a row that does not count any more. */
async function attempt<Value>({ row }: Contender, action: () => Promise<Value>): Promise<Value | null> {
  if (row.invalid !== null) return null;
  try {
    return await action();
  } catch (error) {
    row.invalid = error instanceof Error ? error.message : String(error);
    return null;
  }
}

/** Starts the server, compares its first answer and lets it get warm: caches fill, code is compiled. */
async function start(contender: Contender, options: MacroOptions): Promise<Candidate> {
  const { peer, flavor, task } = contender;
  const { site, programs } = options;
  const { target, contentBytes } = task;
  const running = await peers[peer].start({ site, flavor, programs, target, contentBytes });
  try {
    const fields = [...(task.fields ?? [])];
    if (task.isConditional === true) fields.push(await conditionOf(running.url + target));
    const candidate: Candidate = { contender, running, fields };
    await checkAnswer(running.url, task, fields);
    const connections = Math.min(task.connections, WARM_UP_CONNECTIONS);
    await generate(candidate, connections, peers[peer].warmUpSeconds, options);
    return candidate;
  } catch (error) {
    await running.server.end();
    throw error;
  }
}

/** One second or so of the whole load. Rejects when an answer was not the one that was asked for. */
async function measure(candidate: Candidate, options: MacroOptions): Promise<Measurement> {
  const { task } = candidate.contender;
  const { server } = candidate.running;
  const seconds = Math.max(options.seconds, task.secondsMin ?? 0);
  const { result, spent } = await underLoad(server, () => generate(candidate, task.connections, seconds, options));
  const fault = faultOf(result, task);
  if (fault !== null) throw new Error(fault);
  return {
    ...result,
    cpuUs: cpuPerRequest(spent, result, task),
    systemShare: spent.systemShare,
    waitedShare: spent.waitedUs / 1e6 / result.seconds,
    peakKiB: server.peakResidentKiB(),
  };
}

function generate(
  { contender, running, fields }: Candidate,
  connections: number,
  seconds: number,
  { programs }: MacroOptions,
): Promise<LoadResult> {
  const { task, generator } = contender;
  const load: Load = {
    url: running.url + task.target,
    connections,
    fields,
    ...(task.batch === undefined ? {} : { batch: task.batch }),
    ...(task.listFile === undefined ? {} : { listFile: task.listFile }),
    ...(task.bodyFile === undefined ? {} : { bodyFile: task.bodyFile }),
  };
  return generator === "sink" ? runSink(programs.sink ?? "sink", load, seconds) : runLoad(load, seconds);
}

/** Of large files, the part that was sent counts too. */
function cpuPerRequest(spent: CpuSpent, result: LoadResult, task: Task): number | null {
  const isLarge = task.isLarge === true && task.contentBytes !== null;
  const requests = isLarge ? result.bytes / (task.contentBytes as number) : result.requests;
  return requests > 0 ? spent.us / requests : null;
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

function faultOf({ requests, bytes, socketErrors, statusErrors }: LoadResult, task: Task): string | null {
  if (requests === 0 && !(task.isLarge === true && bytes > 0)) return "no answer under load";
  if (socketErrors > 0) return `${socketErrors} socket errors under load`;
  const expected = task.status >= 400 ? requests : 0;
  if (statusErrors !== expected) return `${Math.abs(statusErrors - expected)} unexpected statuses under load`;
  return null;
}
