/**
 * A certificate for tests, signed by its own key. Clients accept it when they are told to trust it, or not to verify.
 * Loaded only when requested, because its packages take 50 ms (docs/decisions/0008).
 */
import { isIP } from "node:net";

/** PEM of the server's own certificate, followed by the chain to its root, and of the unencrypted key. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Browsers refuse more than 398 days, and clocks differ. */
const VALID_DAYS = 397;
const CLOCK_SKEW_MS = 60 * 60 * 1000;

/** P-256: every client has it, and signing takes a tenth of RSA's time. */
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * Returns PEM of a new key and its certificate, for `localhost`, both loopback addresses, and `hosts`: names, and
 * addresses without brackets.
 */
export async function makeSelfSigned(hosts: readonly string[], nowMs: number): Promise<Certified> {
  // One after the other: @peculiar/x509 finds its algorithms through tsyringe, which needs the first package to be
  // there, and a bundler may reorder static imports.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const names = [...new Set(["localhost", "127.0.0.1", "::1", ...hosts])];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ["localhost"] }, { O: ["httpserver, self-signed"] }],
    notBefore: new Date(nowMs - CLOCK_SKEW_MS),
    notAfter: new Date(nowMs - CLOCK_SKEW_MS + VALID_DAYS * DAY_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) > 0 ? "ip" : "dns", value }) as const),
      ),
      // RFC 5280 §4.2.1.9: not an authority, so that the key of a test cannot vouch for another name.
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: `${certificate.toString("pem")}\n`, key: `${x509.PemConverter.encode(key, "PRIVATE KEY")}\n` };
}
