/**
 * Certificate and key of a server that speaks TLS: read from files, or made for a test, checked against each other,
 * and read again on a signal. Loaded only for TLS.
 *
 * Strategy: every mistake is found before a port is bound, with one line that names the file and the reason; a failed
 * handshake would tell only the client. A renewal applies to new connections; open ones keep theirs.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { readSmallFile } from "../handlers/small-file.ts";
import type { ServerSettings } from "../settings/server-settings.ts";
import { messageOf, StartError } from "../settings/start-error.ts";
import type { TlsListening, TlsListenOptions } from "./listen.ts";
import type { Certified } from "./self-signed.ts";

/** The server's own certificate, as clients see it. */
export interface CertificateInfo {
  /** With its chain. */
  readonly pem: string;
  /** For example `DNS:localhost, IP Address:127.0.0.1`; the subject if there are no alternative names. */
  readonly names: string;
  /** End of its validity. */
  readonly validTo: Date;
  /** SHA-256, in hexadecimal pairs with colons. */
  readonly fingerprint: string;
}

type TlsSettings = Pick<
  ServerSettings,
  "host" | "tlsCert" | "tlsKey" | "tlsPassphraseFile" | "tlsSelfSigned" | "http2"
>;

/**
 * TLS 1.2 with forward secrecy and authenticated encryption alone (RFC 9325 §4.2): no RSA key exchange, CBC or SHA-1.
 * All suites of TLS 1.3 are good, and BoringSSL offers them whatever this list says.
 */
const CIPHERS = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** SSL_OP_CIPHER_SERVER_PREFERENCE: our order of suites counts, not the client's. */
const SERVER_PREFERENCE = 0x00400000;

/** The protocols that the server speaks, each after its length (RFC 7301 §3.1), the better one first. A client that has none is refused. */
const HTTP1_ALONE = Uint8Array.of(8, ...new TextEncoder().encode("http/1.1"));
const BOTH_PROTOCOLS = Uint8Array.of(2, ...new TextEncoder().encode("h2"), ...HTTP1_ALONE);

/** Settings that listener and renewed context share. Each takes the oldest version, 1.2, in a form of its own. */
function protocolOf({ http2 }: TlsSettings) {
  const ALPNProtocols = http2 ? BOTH_PROTOCOLS : HTTP1_ALONE;
  return { ciphers: CIPHERS, secureOptions: SERVER_PREFERENCE, ALPNProtocols } as const;
}
const BUN_TLS_1_2 = 0x0303;
const NODE_TLS_1_2 = "TLSv1.2";

/** Addresses that stand for all addresses of the machine, so no client can ask for them by name. */
const WILDCARDS: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** The TLS of one server. */
export class Tls implements TlsListening {
  options: TlsListenOptions;
  readonly #settings: TlsSettings;
  readonly #passphrase: string;
  readonly #warn: (line: string) => void;
  #certified: Certified;
  #certificate: CertificateInfo;
  #renewed: object | null = null;
  /** Replaces the listeners, once there are any. */
  #replace: () => boolean = () => false;

  /**
   * Reads or makes the certificate that `settings` name. `passphrase` is "" for none; a passphrase file takes
   * precedence. Rejects with a StartError for a file that is missing, unreadable or does not fit.
   */
  static async load(settings: TlsSettings, passphrase: string, warn: (line: string) => void): Promise<Tls> {
    return new Tls(settings, passphrase, warn, await prepare(settings, passphrase));
  }

  /** Returns the TLS of a further thread, which has the certificate and the warnings of the first one. */
  static of(settings: TlsSettings, certified: Certified): Tls {
    return new Tls(settings, "", () => {}, certified);
  }

  private constructor(settings: TlsSettings, passphrase: string, warn: (line: string) => void, certified: Certified) {
    this.#settings = settings;
    this.#passphrase = passphrase;
    this.#warn = warn;
    this.#certified = certified;
    this.#certificate = this.#inspect(certified);
    this.options = optionsOf(settings, certified);
  }

  get certificate(): CertificateInfo {
    return this.#certificate;
  }

  /** Certificate and key in use, for the other threads. */
  get certified(): Certified {
    return this.#certified;
  }

  renewed(): object | null {
    return this.#renewed;
  }

  whenRenewed(replace: () => boolean): void {
    this.#replace = replace;
  }

  /**
   * Reads the files again, for new connections. A certificate made in memory stays. Rejects with a StartError, and
   * then nothing has changed.
   */
  async reload(): Promise<void> {
    if (this.#settings.tlsCert === "") return;
    await this.renew(readCertified(this.#settings, this.#passphrase));
  }

  /** Replaces certificate and key, for new connections. */
  async renew(certified: Certified): Promise<void> {
    const certificate = this.#inspect(certified);
    const { createSecureContext } = await import("node:tls");
    // The context replaces the listener's, so it needs all settings, suites included.
    const { context } = createSecureContext({ ...certified, ...protocolOf(this.#settings), minVersion: NODE_TLS_1_2 });
    this.options = optionsOf(this.#settings, certified);
    this.#renewed = this.#replace() ? null : (context as object);
    this.#certified = certified;
    this.#certificate = certificate;
  }

  /** Warns of a certificate that clients refuse now. A certificate that expires soon is the operator's concern. */
  #inspect({ cert }: Certified): CertificateInfo {
    const first = new X509Certificate(cert);
    const what = this.#settings.tlsCert === "" ? "the certificate" : `--tls-cert ${this.#settings.tlsCert}`;
    const validTo = new Date(first.validTo);
    const now = Date.now();
    if (validTo.getTime() < now) this.#warn(`${what} expired on ${formatDay(validTo)}: clients will refuse it`);
    const validFrom = new Date(first.validFrom);
    if (validFrom.getTime() > now) this.#warn(`${what} is not valid before ${formatDay(validFrom)}`);
    // The types promise a subject, but a certificate may lack one.
    const subject = (first.subject as string | undefined) ?? "no name";
    const names = first.subjectAltName ?? subject.replaceAll("\n", ", ");
    return { pem: cert, names, validTo, fingerprint: first.fingerprint256 };
  }
}

function optionsOf(settings: TlsSettings, certified: Certified): TlsListenOptions {
  return { ...certified, ...protocolOf(settings), minVersion: BUN_TLS_1_2 };
}

function formatDay(date: Date): string {
  return date.toISOString().slice(0, 10);
}

async function prepare(settings: TlsSettings, passphrase: string): Promise<Certified> {
  const { tlsCert, tlsKey, tlsSelfSigned } = settings;
  if (!tlsSelfSigned) return readCertified(settings, passphrase);
  const hasCert = tlsCert !== "" && existsSync(tlsCert);
  const hasKey = tlsKey !== "" && existsSync(tlsKey);
  if (hasCert && hasKey) return readCertified(settings, passphrase);
  if (hasCert || hasKey) {
    const [found, missing] = hasCert ? [tlsCert, tlsKey] : [tlsKey, tlsCert];
    throw new StartError(`${found} is there and ${missing} is not; --tls-self-signed makes both or neither`);
  }
  const { makeSelfSigned } = await import("./self-signed.ts");
  const hosts = WILDCARDS.has(settings.host) ? [] : [settings.host.replace(/%.*$/, "")];
  const certified = await makeSelfSigned(hosts, Date.now());
  if (tlsCert !== "") keepCertified(settings, certified);
  return certified;
}

/** Writes both files, the key readable by its owner alone. Throws a StartError, also if one exists. */
function keepCertified({ tlsCert, tlsKey }: TlsSettings, { cert, key }: Certified): void {
  write("--tls-key", tlsKey, key, 0o600);
  try {
    write("--tls-cert", tlsCert, cert, 0o644);
  } catch (error) {
    rmSync(tlsKey, { force: true }); // A key without a certificate would stop the next start.
    throw error;
  }
}

function write(flag: string, path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: "wx" });
  } catch (error) {
    throw new StartError(`cannot write ${flag} ${path}: ${messageOf(error)}`);
  }
}

/** Reads and checks the files. Throws a StartError. */
function readCertified(settings: TlsSettings, passphrase: string): Certified {
  const { tlsCert, tlsKey, tlsPassphraseFile } = settings;
  const cert = read("--tls-cert", tlsCert);
  const own = firstCertificate(tlsCert, cert);
  const secret = tlsPassphraseFile === "" ? passphrase : firstLine(read("--tls-passphrase-file", tlsPassphraseFile));
  const key = decrypt(tlsKey, read("--tls-key", tlsKey), secret);
  if ((key.asymmetricKeyDetails?.modulusLength ?? RSA_BITS_MIN) < RSA_BITS_MIN) {
    throw new StartError(
      `--tls-key ${tlsKey} has fewer than ${RSA_BITS_MIN} bits: no client would shake hands with it`,
    );
  }
  if (!own.checkPrivateKey(key)) {
    throw new StartError(
      `--tls-key ${tlsKey} does not fit the first certificate in --tls-cert ${tlsCert}; the server's own comes first, its chain behind it`,
    );
  }
  return { cert, key: key.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** Shorter keys cannot make the signatures of TLS 1.2 and 1.3. */
const RSA_BITS_MIN = 1024;

function read(flag: string, path: string): string {
  try {
    // The decoder drops the byte order mark that some editors write.
    return new TextDecoder().decode(readSmallFile(path, PEM_BYTES_MAX));
  } catch (error) {
    throw new StartError(`cannot read ${flag} ${path}: ${messageOf(error)}`);
  }
}

/** A long chain has some ten thousand bytes. */
const PEM_BYTES_MAX = 1_048_576;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** Returns the server's own certificate. Parses the others as well, so that a damaged chain is found here. */
function firstCertificate(path: string, pem: string): X509Certificate {
  const blocks = pem.match(CERTIFICATE) ?? [];
  const begun = pem.split("-----BEGIN CERTIFICATE-----").length - 1;
  if (begun > blocks.length) throw new StartError(`--tls-cert ${path}: one of its ${begun} certificates has no end`);
  const certificates = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new StartError(`--tls-cert ${path}: certificate ${index + 1} of ${blocks.length} is damaged`);
    }
  });
  const [first] = certificates;
  if (first === undefined) throw new StartError(`--tls-cert ${path} has no certificate in PEM`);
  return first;
}

function decrypt(path: string, pem: string, passphrase: string): KeyObject {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) throw new StartError(`--tls-key ${path} has no key in PEM`);
  const isEncrypted = /ENCRYPTED/.test(pem);
  if (isEncrypted && passphrase === "") {
    throw new StartError(
      `--tls-key ${path} is encrypted; give its passphrase in HTTPSERVER_TLS_PASSPHRASE or --tls-passphrase-file`,
    );
  }
  try {
    return createPrivateKey(isEncrypted ? { key: pem, passphrase } : pem);
  } catch {
    throw new StartError(
      isEncrypted
        ? `--tls-key ${path}: the passphrase is wrong, or the file damaged`
        : `--tls-key ${path} is damaged, or of a kind that cannot be used`,
    );
  }
}

function firstLine(text: string): string {
  return /^[^\r\n]*/.exec(text)?.[0] ?? "";
}
