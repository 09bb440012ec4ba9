/**
 * The library's door outside of Bun: the names and types of `index.ts`, but a server is the executable, a process of its own, and each
 * method returns a promise. A test that awaits each result runs on both.
 *
 *     await using server = await startServer({ files: { "/hello.html": "<p>Hello</p>" } });
 *     await fetch(`${server.url}/hello.html`);
 */
import { resolve } from "node:path";
import { Child, type Ready } from "./client/child.ts";
import { Endpoints, remoteMethods } from "./client/endpoints.ts";
import { findExecutable } from "./client/executable.ts";
import { variablesOf } from "./client/variables.ts";
import { isStoreUrl } from "./http/store-url.ts";
import type * as InProcess from "./index.ts";
import type { StopOptions } from "./server/server.ts";
import { needsFolders, TemporaryFolders } from "./server/temporary-folders.ts";
import { resolveServerSettings } from "./settings/resolve.ts";
import type { ServerSettings } from "./settings/server-settings.ts";
import { OptionsError, StartError } from "./settings/start-error.ts";

export type {
  AccessEntry,
  AddedStub,
  AnswerFunction,
  AnswerOrder,
  AnswerView,
  CertificateInfo,
  ClosedConnection,
  CloseReason,
  Conditions,
  ConnectionState,
  Expectation,
  FaultKind,
  FaultOrder,
  Files,
  KeptUpload,
  OpenConnection,
  RecordedBody,
  RequestFilter,
  RequestPage,
  RequestRecord,
  RuleCounts,
  ServerLog,
  ServerSettings,
  Snapshot,
  StartOptions,
  StopOptions,
  StubOrder,
  StubRequest,
  TimeSource,
  UpstreamReport,
  Verification,
  Violation,
  WorkerView,
  WorkPhase,
  WorkView,
} from "./index.ts";
export { ManualClock } from "./server/time-source.ts";
export { OptionsError, StartError };

/** Each method returns a promise of its result. */
type Awaitable<Server> = {
  readonly [Name in keyof Server]: Server[Name] extends (...given: infer Given) => infer Result
    ? (...given: Given) => Promise<Awaited<Result>>
    : Server[Name];
};

/** A server that listens. */
export type RunningServer = Awaitable<InProcess.RunningServer>;

/** A server with `fixture: true`: its journal, and the faults to inject. */
export type FixtureServer = Awaitable<InProcess.FixtureServer>;

/** Milliseconds for requests in flight when the scope of a fixture server ends, as in the process. */
const DISPOSE_MS = 250;

/** Options that are functions or objects of the test's own process, and the way to do without. */
const ONLY_IN_BUN = {
  clock: "a server in a process of its own has its own time",
  log: "use the journal of a fixture",
  shutDown: "the server ends, as with stop()",
} as const satisfies { [Name in keyof InProcess.StartOptions]?: string };

/** Starts a server and resolves when it listens. If that fails, rejects with an OptionsError or a StartError, and leaves nothing behind. */
export async function startServer(options: InProcess.StartOptions & { fixture: true }): Promise<FixtureServer>;
/** Starts a server and resolves when it listens. If that fails, rejects with an OptionsError or a StartError, and leaves nothing behind. */
export async function startServer(options?: InProcess.StartOptions): Promise<RunningServer>;
export async function startServer(options: InProcess.StartOptions = {}): Promise<RunningServer | FixtureServer> {
  for (const [name, reason] of Object.entries(ONLY_IN_BUN)) {
    if (options[name as keyof typeof ONLY_IN_BUN] !== undefined) throw new OptionsError(onlyInBun(name, reason));
  }
  const { files, tlsPassphrase = "", clock, log, shutDown, ...given } = options;
  const program = findExecutable();
  const folders = needsFolders(options) ? new TemporaryFolders(options) : null;
  const settings = resolveServerSettings({ port: 0, ...folders?.settings, ...given });
  const env = {
    ...variablesOf(settings, process.env),
    ...(folders && { HTTPSERVER_TEMPORARY_FOLDER: folders.folder }),
    ...(tlsPassphrase && { HTTPSERVER_TLS_PASSPHRASE: tlsPassphrase }),
  };
  const child = new Child(program, wordsOf(settings), env, () => folders?.remove());
  try {
    // If this process is killed from here on, the executable removes the folder.
    folders?.make();
    child.tell("The folder is complete.");
    return serverOf(child, await child.ready(), settings);
  } catch (error) {
    await child.kill();
    throw error;
  }
}

/** Returns the command line: the kind of server, and how it ends. */
function wordsOf({ port, fixture }: ServerSettings): readonly string[] {
  const words = [
    "--port",
    String(port),
    "--ready-format",
    "json",
    "--quiet",
    "--exit-with-parent",
    "--exit-with-stdin",
  ];
  return fixture ? [...words, "--fixture"] : words;
}

function serverOf(child: Child, ready: Ready, settings: ServerSettings): RunningServer | FixtureServer {
  const { url } = ready;
  const uploads = isStoreUrl(settings.uploads) ? settings.uploads : resolve(settings.uploads);
  const endpoints = new Endpoints({ url, token: settings.fixtureToken, uploads, end: () => child.end });
  const stop = async ({ force, graceMs = 0, timeoutMs = settings.shutdownTimeoutMs }: StopOptions = {}) => {
    if (force) return child.kill();
    // After a signal, connections that were used just now get a moment for a request on its way. In the process they get none.
    if (settings.fixture && graceMs === 0 && child.end === null) await endpoints.closeIdle().catch(() => {});
    return child.stop(timeoutMs);
  };
  const running: RunningServer = {
    url,
    urls: ready.urls,
    port: ready.port,
    redirectUrl: ready.redirectUrl,
    certificate: ready.certificate,
    takesUploads: ready.takesUploads,
    reload: () => Promise.reject(new Error(onlyInBun("reload()", "start another server with the new certificate"))),
    watch: () =>
      Promise.reject(
        new Error(onlyInBun("watch()", "GET /__server/events of a server with status has the same snapshots")),
      ),
    unreachedStubs: async () => {
      if (settings.fixture) return endpoints.unreachedStubs();
      throw new Error(onlyInBun("unreachedStubs() of a server that is no fixture", "give fixture: true"));
    },
    stop,
    [Symbol.asyncDispose]: () => stop(settings.fixture ? { timeoutMs: DISPOSE_MS } : {}),
  };
  return settings.fixture ? Object.assign(running, remoteMethods(endpoints)) : running;
}

function onlyInBun(name: string, advice: string): string {
  return `${name} works only in Bun, where the server runs in the process of the test: ${advice}`;
}
