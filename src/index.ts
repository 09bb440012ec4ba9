/**
 * The library's door: a server in this process, without module state, signal handlers or output.
 *
 *     await using server = await startServer({ files: { "/hello.html": "<p>Hello</p>" } });
 *     await fetch(`${server.url}/hello.html`);
 */

import type { ConnectionState, WorkPhase } from "./exchange/carrier.ts";
import type { TimeSource } from "./exchange/clock.ts";
import type { CloseReason } from "./exchange/observer.ts";
import type { ClosedConnection, OpenConnection } from "./fixture/connection-log.ts";
import type { Expectation } from "./fixture/expectation.ts";
import type { RequestFilter } from "./fixture/filter.ts";
import type { FaultOrder, Fixture } from "./fixture/fixture.ts";
import type { RequestPage, Verification } from "./fixture/journal.ts";
import type { RecordedBody, RequestRecord } from "./fixture/record.ts";
import type { RuleCounts } from "./fixture/rules.ts";
import type { AnswerFunction, AnswerOrder, StubOrder, StubRequest } from "./fixture/stub-rule.ts";
import type { AddedStub } from "./fixture/stubs.ts";
import type { AnswerView, Snapshot, WorkerView, WorkView } from "./handlers/endpoints/status.ts";
import type { StoredUpload } from "./handlers/uploads/store.ts";
import type { FaultKind } from "./http/fault.ts";
import type { Conditions } from "./http/match.ts";
import type { UpstreamReport } from "./http/message.ts";
import type { Violation } from "./http/parse-error.ts";
import type { AccessEntry, ServerLog } from "./server/access-log.ts";
import { loadParts, loadTls } from "./server/parts.ts";
import { Server, type StopOptions } from "./server/server.ts";
import type { Files, TemporaryFolders } from "./server/temporary-folders.ts";
import { ManualClock, systemTime } from "./server/time-source.ts";
import type { CertificateInfo } from "./server/tls.ts";
import { resolveServerSettings } from "./settings/resolve.ts";
import type { ServerSettings } from "./settings/server-settings.ts";
import { OptionsError, StartError } from "./settings/start-error.ts";

export {
  type AccessEntry,
  type AddedStub,
  type AnswerFunction,
  type AnswerOrder,
  type AnswerView,
  type CertificateInfo,
  type ClosedConnection,
  type CloseReason,
  type Conditions,
  type ConnectionState,
  type Expectation,
  type FaultKind,
  type FaultOrder,
  type Files,
  ManualClock,
  type OpenConnection,
  OptionsError,
  type RecordedBody,
  type RequestFilter,
  type RequestPage,
  type RequestRecord,
  type RuleCounts,
  type ServerLog,
  type ServerSettings,
  type Snapshot,
  StartError,
  type StopOptions,
  type StoredUpload as KeptUpload,
  type StubOrder,
  type StubRequest,
  type TimeSource,
  type UpstreamReport,
  type Verification,
  type Violation,
  type WorkerView,
  type WorkPhase,
  type WorkView,
};

/**
 * Settings of a server, each with the default of the command line. Two differ, so that a test meets no other program and leaves
 * nothing behind: a free port, and a temporary folder for uploads. Settings of the program, such as its log, are refused.
 */
export interface StartOptions extends Partial<ServerSettings> {
  /** Served instead of a folder: content by path, such as `/images/logo.png`. Not together with `root`. */
  files?: Files;
  /** Source of the server's time: by default the machine, or a `ManualClock` that a test moves by hand. */
  clock?: TimeSource;
  /** Receives request lines, warnings and failures. Without it, they are not written anywhere. */
  log?: ServerLog;
  /** Called for `POST /__server/shutdown` of a fixture, in place of a drain. */
  shutDown?: () => void;
  /** Passphrase of an encrypted `tlsKey`. It is not a setting, so that no list of settings shows it. */
  tlsPassphrase?: string;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** URL for clients on this machine, without a slash at the end: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** A URL for each bound address: the loopback default also answers on `http://[::1]:8080`. */
  readonly urls: readonly string[];
  /** The bound port. */
  readonly port: number;
  /** URL of the plain HTTP listener of `httpsRedirectPort`, which redirects to https; else null. */
  readonly redirectUrl: string | null;
  /** False if the server was told to take no uploads, or could not use the default folder at the start. */
  readonly takesUploads: boolean;
  /** Certificate for a client to trust: `fetch(url, { tls: { ca: server.certificate.pem } })`. Null without TLS. */
  readonly certificate: CertificateInfo | null;
  /** Reads `tlsCert` and `tlsKey` again, for new connections. If that fails, rejects with a StartError, and the old ones stay. */
  reload(): Promise<void>;
  /**
   * Calls `see` with a snapshot now and four times a second, until the returned function is called. Throws an Error for a server
   * that was started without `live` and without `status`.
   */
  watch(see: (snapshot: Snapshot) => void): () => void;
  /** Returns the numbered files of the stub folder that have answered no request: `stubs/api/orders/POST.2.http`. */
  unreachedStubs(): readonly string[];
  /**
   * Refuses new connections, completes the requests in progress, and closes. Those that are not complete after `timeoutMs`
   * are cut. Resolves when every connection has ended, and never rejects. Later calls join the first.
   */
  stop(options?: StopOptions): Promise<void>;
}

/** A server with `fixture: true`: its journal, and the faults to inject. docs/fixture.md describes each method. */
export interface FixtureServer
  extends RunningServer,
    Pick<
      Fixture,
      | "requests"
      | "unmatched"
      | "waitForRequests"
      | "verify"
      | "forgetRequests"
      | "fault"
      | "removeFault"
      | "stub"
      | "removeStub"
      | "hold"
      | "release"
      | "connections"
      | "closeIdle"
      | "uploads"
      | "removeUploads"
      | "reset"
    > {
  /** Returns the stubs that were added, in their order, with the number of requests that matched and were answered. */
  stubs(): readonly AddedStub[];
}

/** Milliseconds for requests in flight when the scope of a fixture server ends, so that a forgotten request does not hold up a test. */
const DISPOSE_MS = 250;

/** Starts a server and resolves when it listens. If that fails, rejects with an OptionsError or a StartError, and leaves nothing behind. */
export async function startServer(options: StartOptions & { fixture: true }): Promise<FixtureServer>;
/** Starts a server and resolves when it listens. If that fails, rejects with an OptionsError or a StartError, and leaves nothing behind. */
export async function startServer(options?: StartOptions): Promise<RunningServer>;
export async function startServer(options: StartOptions = {}): Promise<RunningServer | FixtureServer> {
  const folders = await makeFolders(options);
  const server = await makeServer({ ...options, shutDown: options.shutDown ?? (() => void stop()) }, folders).catch(
    (error: unknown) => {
      folders?.remove();
      throw error;
    },
  );
  const stop = async (stopOptions?: StopOptions) => {
    await server.stop(stopOptions);
    folders?.remove();
  };
  const running: RunningServer = {
    url: server.urls[0],
    urls: server.urls,
    port: server.port,
    redirectUrl: server.redirectUrl,
    takesUploads: server.takesUploads,
    get certificate() {
      return server.certificate;
    },
    reload: () => server.reload(),
    watch: (see) => server.watch(see),
    unreachedStubs: () => server.unreachedStubs,
    stop,
    [Symbol.asyncDispose]: () => stop(server.fixture === null ? {} : { timeoutMs: DISPOSE_MS }),
  };
  return server.fixture === null ? running : Object.assign(running, fixtureMethods(server.fixture));
}

function fixtureMethods(fixture: Fixture): Omit<FixtureServer, keyof RunningServer> {
  return {
    requests: (filter) => fixture.requests(filter),
    unmatched: (filter) => fixture.unmatched(filter),
    waitForRequests: (filter, count, timeoutMs) => fixture.waitForRequests(filter, count, timeoutMs),
    verify: (expectation) => fixture.verify(expectation),
    forgetRequests: () => fixture.forgetRequests(),
    fault: (rule, more) => fixture.fault(rule, more),
    removeFault: (id) => fixture.removeFault(id),
    stub: (order) => fixture.stub(order),
    removeStub: (id) => fixture.removeStub(id),
    stubs: () => fixture.addedStubs(),
    hold: (slots) => fixture.hold(slots),
    release: () => fixture.release(),
    connections: () => fixture.connections(),
    closeIdle: () => fixture.closeIdle(),
    uploads: () => fixture.uploads(),
    removeUploads: () => fixture.removeUploads(),
    reset: () => fixture.reset(),
  };
}

/** Makes temporary folders for `files` and uploads; null when both folders are the caller's. */
async function makeFolders(options: StartOptions): Promise<TemporaryFolders | null> {
  // The program names both, and does not load the module.
  if (options.files === undefined && options.uploads !== undefined) return null;
  const { needsFolders, TemporaryFolders } = await import("./server/temporary-folders.ts");
  return needsFolders(options) ? new TemporaryFolders(options).make() : null;
}

async function makeServer(
  options: StartOptions & { shutDown: () => void },
  folders: TemporaryFolders | null,
): Promise<Server> {
  const { log = SILENT, clock = systemTime, shutDown, tlsPassphrase = "", files, ...given } = options;
  const settings = resolveServerSettings({
    port: 0,
    ...folders?.settings,
    ...given,
  });
  const tls = await loadTls(settings, tlsPassphrase, (line) => log.warn(line));
  return new Server(settings, log, { ...(await loadParts(settings)), tls, time: clock, shutDown });
}

const SILENT: ServerLog = { access: null, info() {}, detail: null, warn() {}, error() {} };
