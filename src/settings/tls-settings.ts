/** The settings of https, as a part of the table of server-settings.ts. */
import { HOUR } from "../http/units.ts";
import type { TableOf } from "./kinds.ts";

/** Settings of https. */
export interface TlsSettings {
  /** Path of the certificate and its chain in PEM, or "" for plain HTTP. */
  tlsCert: string;
  /** Path of its key in PEM, or "". */
  tlsKey: string;
  /** Path of a file whose first line is the key's passphrase, or "". */
  tlsPassphraseFile: string;
  /** The server makes a certificate of its own for this start. */
  tlsSelfSigned: boolean;
  /** Port of a second listener that redirects plain HTTP to https; -1: none, 0: a free port. */
  httpsRedirectPort: number;
  /** Max-age of Strict-Transport-Security; 0: no such field. */
  hstsMs: number;
}

export const tlsTable: TableOf<TlsSettings> = {
  tlsCert: {
    flag: "tls-cert",
    kind: "text",
    value: "FILE",
    group: "tls",
    expected: "a file",
    example: "chain.pem",
    default: "",
    help: "Certificate and its chain in PEM, for https.",
  },
  tlsKey: {
    flag: "tls-key",
    kind: "text",
    value: "FILE",
    group: "tls",
    expected: "a file",
    example: "key.pem",
    default: "",
    help: "Key of the certificate in PEM. SIGHUP reads both files again.",
  },
  tlsPassphraseFile: {
    flag: "tls-passphrase-file",
    kind: "text",
    value: "FILE",
    group: "tls",
    expected: "a file",
    example: "passphrase.txt",
    default: "",
    help: "File whose first line is the passphrase of the key. HTTPSERVER_TLS_PASSPHRASE can hold it instead.",
  },
  tlsSelfSigned: {
    flag: "tls-self-signed",
    kind: "switch",
    group: "tls",
    default: false,
    help: "Serves https with a new certificate, for tests.",
  },
  httpsRedirectPort: {
    flag: "https-redirect",
    kind: "integer",
    value: "PORT",
    group: "tls",
    default: -1,
    min: 0,
    max: 65535,
    off: -1,
    help: "Second port, for plain HTTP. It redirects to https with 308.",
  },
  hstsMs: {
    flag: "hsts",
    kind: "duration",
    group: "tls",
    default: 0, // Browsers remember it: a host that is https for a test must not lose its http.
    defaultText: "off",
    min: 0,
    max: 2 * 365 * 24 * HOUR, // Two years, which is the demand of the lists of such hosts.
    help: "Time for which browsers use https alone. A year is 8760h.",
  },
};
