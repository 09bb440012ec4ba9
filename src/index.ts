/**
 * The library's door: a server in this process, without module state, signal handlers or output.
 *
 *     await using server = await startServer({ files: { "/hello.html": "<p>Hello</p>" } });
 *     await fetch(`${server.url}/hello.html`);
 */
import type { Snapshot } from "./handlers/status.ts";
import { type Options, OptionsError, resolveOptions } from "./options.ts";
import type { AccessEntry, ServerLog } from "./server/access-log.ts";
import { Server, type ServerParts, type StopOptions } from "./server/server.ts";
import { StartError } from "./server/start-error.ts";
import type { Files, TemporaryFolders } from "./server/temporary-folders.ts";
import { ManualClock, systemTime, type TimeSource } from "./server/time-source.ts";
import type { CertificateInfo, Tls } from "./server/tls.ts";

export {
  type AccessEntry,
  type CertificateInfo,
  type Files,
  ManualClock,
  type Options,
  OptionsError,
  type ServerLog,
  type Snapshot,
  StartError,
  type StopOptions,
  type TimeSource,
};

/**
 * The settings of the command line, with two other defaults, because a test shall meet nobody and leave nothing behind: a free
 * port, and a temporary folder for uploads.
 */
export interface StartOptions extends Partial<Options> {
  /** Served instead of a folder: content by path, such as `/images/logo.png`. Not together with `root`. */
  files?: Files;
  /** Where the server's time comes from: the machine, unless a test moves a `ManualClock` by hand. */
  clock?: TimeSource;
  /** Receives request lines, warnings and failures; nothing is written anywhere without it. */
  log?: ServerLog;
  /** What `POST /__server/shutdown` of a fixture does; a drain, unless this says otherwise. */
  shutDown?: () => void;
  /** Of an encrypted `tlsKey`; it is no setting, so that no list of settings ever shows it. */
  tlsPassphrase?: string;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** For clients on this machine, without a slash at the end: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** One for each address that was bound: the loopback default also answers on `http://[::1]:8080`. */
  readonly urls: readonly string[];
  /** The port that was bound. */
  readonly port: number;
  /** Where plain requests are sent to https from, with `httpsRedirectPort`; else null. */
  readonly redirectUrl: string | null;
  /** With TLS, what a client may want to trust: `fetch(url, { tls: { ca: server.certificate.pem } })`. Else null. */
  readonly certificate: CertificateInfo | null;
  /** Reads `tlsCert` and `tlsKey` again, for new connections. Rejects with a StartError; then the old ones stay in use. */
  reload(): Promise<void>;
  /**
   * Shows `see` the pool at work, now and four times a second, until the returned function is called. Throws an Error for a server
   * that was started with neither `live` nor `status`.
   */
  watch(see: (snapshot: Snapshot) => void): () => void;
  /** Drains and closes; see `Server.stop`. Never rejects. */
  stop(options?: StopOptions): Promise<void>;
}

/** Starts a server and resolves when it listens. Rejects with an OptionsError or a StartError, and then leaves nothing behind. */
export async function startServer(options: StartOptions = {}): Promise<RunningServer> {
  const folders = await makeFolders(options);
  const server = await makeServer({ shutDown: () => void stop(), ...options }, folders).catch((error: unknown) => {
    folders?.remove();
    throw error;
  });
  const stop = async (stopOptions?: StopOptions) => {
    await server.stop(stopOptions);
    folders?.remove();
  };
  return {
    url: server.urls[0],
    urls: server.urls,
    port: server.port,
    redirectUrl: server.redirectUrl,
    get certificate() {
      return server.certificate;
    },
    reload: () => server.reload(),
    watch: (see) => server.watch(see),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

/** Null when both folders are the caller's. */
async function makeFolders({ files, root, uploads }: StartOptions): Promise<TemporaryFolders | null> {
  if (files === undefined && uploads !== undefined) return null;
  if (files !== undefined && root !== undefined) throw new OptionsError("files or root: give one of them");
  const { TemporaryFolders } = await import("./server/temporary-folders.ts");
  return new TemporaryFolders(files ?? {});
}

async function makeServer(
  options: StartOptions & { shutDown: () => void },
  folders: TemporaryFolders | null,
): Promise<Server> {
  const { log = SILENT, clock = systemTime, shutDown, tlsPassphrase = "", files, ...given } = options;
  const settings = resolveOptions({
    port: 0,
    ...(folders === null ? {} : { uploads: folders.uploads }),
    ...(folders === null || files === undefined ? {} : { root: folders.root }),
    ...given,
  });
  return new Server(settings, log, {
    tls: await loadTls(settings, tlsPassphrase, log),
    time: clock,
    watch: await loadVitals(settings),
    fixture: await loadFixture(settings),
    shutDown,
  });
}

/** Only a server that speaks TLS pays for it. */
async function loadTls(settings: Options, passphrase: string, log: ServerLog): Promise<Tls | null> {
  if (settings.tlsCert === "" && !settings.tlsSelfSigned) return null;
  const { Tls } = await import("./server/tls.ts");
  return Tls.load(settings, passphrase, (line) => log.warn(line));
}

/** The same for one that somebody may look at. */
async function loadVitals(settings: Options): Promise<NonNullable<ServerParts["watch"]> | null> {
  if (!settings.status && !settings.live) return null;
  const { Vitals } = await import("./server/vitals.ts");
  return (options) => new Vitals(options);
}

/** And for one that a test drives. */
async function loadFixture(settings: Options): Promise<NonNullable<ServerParts["fixture"]> | null> {
  if (!settings.fixture) return null;
  const { Fixture } = await import("./server/fixture.ts");
  return (options) => new Fixture(options);
}

const SILENT: ServerLog = { access: null, info() {}, detail: null, warn() {}, error() {} };
