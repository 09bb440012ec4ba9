/** The compiled file over TLS, as curl and openssl see it; a certificate that is renewed under load; the start's mistakes. */
import { beforeAll, expect, test } from "bun:test";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BUILD_MS, curl, curlStatus, type Program, run } from "../support/binary.ts";
import { hasCommand, needs } from "../support/needs.ts";
import { RawClient, request } from "../support/raw-client.ts";
import { until } from "../support/waiting.ts";
import { Workspace } from "../support/workspace.ts";

const PASSPHRASE = "correct horse";
const SITE_BYTES = 3_000_000;

const place = new Workspace("binary-tls", (root) => writeFileSync(join(root, "data.bin"), content()));
/** PEM of a root, of what it signed through another certificate, and of an encrypted RSA key. */
let authority = "";

beforeAll(async () => {
  if (hasCommand("openssl")) authority = await makeAuthority();
}, BUILD_MS);

function content(): Uint8Array {
  return Uint8Array.from({ length: SITE_BYTES }, (_, at) => at % 251);
}

async function openssl(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(["openssl", ...words], { cwd: place.top });
  if (code !== 0) throw new Error(`openssl ${words[0]}: ${stderr}`);
  return stdout;
}

/** A root, an authority below it, and two servers' certificates from that: one with an RSA key, one with an encrypted P-256 key. */
async function makeAuthority(): Promise<string> {
  const p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const names = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1";
  await openssl("req", "-x509", ...p256, "-nodes", "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=test root");
  const issue = async (name: string, key: readonly string[], issuer: string, extension: string) => {
    await openssl("req", "-new", ...key, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    writeFileSync(join(place.top, `${name}.cnf`), extension);
    const by = ["-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`, "-CAcreateserial"];
    await openssl("x509", "-req", "-in", `${name}.csr`, ...by, "-out", `${name}.pem`, "-extfile", `${name}.cnf`);
  };
  await issue("middle", [...p256, "-nodes"], "root", "basicConstraints=critical,CA:TRUE");
  await issue("rsa", ["-newkey", "rsa:2048", "-nodes"], "middle", names);
  await issue("ec", [...p256, "-passout", `pass:${PASSPHRASE}`], "middle", names);
  for (const name of ["rsa", "ec"]) {
    const chain = ["", "middle"].map((part) => readFileSync(join(place.top, `${part || name}.pem`), "utf8"));
    writeFileSync(join(place.top, `${name}-chain.pem`), chain.join(""));
  }
  return join(place.top, "root.pem");
}

function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Program> {
  return place.start(["--port", "0", ...words], env);
}

function certificate(name: string): readonly string[] {
  return ["--tls-cert", join(place.top, `${name}-chain.pem`), "--tls-key", join(place.top, `${name}.key`)];
}

const outside = needs("curl", "openssl");

/** What `openssl s_client` prints, after a handshake and an empty input. */
async function sClient(port: number, ...words: readonly string[]): Promise<string> {
  const all = ["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", authority, ...words];
  const { stdout, stderr } = await run(all, { cwd: place.top });
  return stdout + stderr;
}

outside.describe("curl and openssl", () => {
  const versions: readonly [name: string, words: readonly string[]][] = [
    ["TLSv1.2", ["--tlsv1.2", "--tls-max", "1.2"]],
    ["TLSv1.3", ["--tlsv1.3"]],
  ];
  for (const [name, words] of versions) {
    for (const kind of ["rsa", "ec"]) {
      test(`curl speaks ${name} with an ${kind.toUpperCase()} key and trusts the chain`, async () => {
        await using program = await start(certificate(kind), { HTTPSERVER_TLS_PASSPHRASE: PASSPHRASE });
        expect(program.url).toBe(`https://127.0.0.1:${program.port}`);
        const out = place.path("got.bin");
        const got = await curl(
          ...words,
          "--cacert",
          authority,
          "--output",
          out,
          "-w",
          "%{http_version}",
          `${program.url}/data.bin`,
        );
        expect([got.code, got.stdout, got.stderr]).toEqual([0, "2", ""]);
        expect(Bun.hash(readFileSync(out))).toBe(Bun.hash(content()));
      });
    }
  }

  test("older versions of TLS, other protocols and old suites are refused", async () => {
    await using program = await start(certificate("rsa"));
    const old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    expect(await sClient(program.port, ...old)).toContain("alert protocol version");
    expect(await sClient(program.port, "-alpn", "http/1.0")).toContain("no application protocol");
    for (const cipher of ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"]) {
      const said = await sClient(program.port, "-tls1_2", "-cipher", `${cipher}:@SECLEVEL=0`);
      expect(said).toContain("handshake failure");
    }
  });

  test("the good suites of TLS 1.2, the protocol by name, and the whole chain are given", async () => {
    await using program = await start(certificate("rsa"));
    expect(await sClient(program.port, "-alpn", "http/1.1")).toContain("ALPN protocol: http/1.1");
    for (const cipher of ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"]) {
      const said = await sClient(
        program.port,
        "-tls1_2",
        "-cipher",
        `ECDHE-RSA-${cipher}`,
        "-alpn",
        "http/1.1,h2",
        "-showcerts",
      );
      expect(said).toContain(`Cipher is ECDHE-RSA-${cipher}`);
      expect(said).toContain("ALPN protocol: h2");
      expect(said).toContain("Verify return code: 0 (ok)");
      expect(said.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    }
  });

  test("a client does not get the server to negotiate again", async () => {
    await using program = await start(certificate("rsa"));
    const child = Bun.spawn(["openssl", "s_client", "-tls1_2", "-connect", `127.0.0.1:${program.port}`], {
      stdin: new Response("R\n"),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    expect(stdout + stderr).toMatch(/no renegotiation|unexpected message|wrong version|alert/i);
    expect(await curlStatus("--cacert", authority, program.url)).toBe("200");
  });

  test("a plain request to the TLS port is told so", async () => {
    await using program = await start(certificate("rsa"));
    const { stdout } = await curl("--include", `http://127.0.0.1:${program.port}/`);
    expect(stdout).toStartWith("HTTP/1.1 400 Bad Request\r\n");
    expect(stdout).toContain("use https:// instead of http://");
  });

  test("a TLS client at the plain port fails at once, and the log has the handshake's first byte", async () => {
    await using program = await start([]);
    expect((await curl("--insecure", `https://127.0.0.1:${program.port}/`)).code).toBe(35);
    await program.says('"\\x16');
  });

  test("a certificate of our own making is trusted once it is known", async () => {
    const [cert, key] = [place.path("own.pem"), place.path("own.key")];
    await using program = await start(["--tls-self-signed", "--tls-cert", cert, "--tls-key", key]);
    expect(await curlStatus("--cacert", cert, `https://localhost:${program.port}/`)).toBe("200");
    expect(await curlStatus(program.url)).toBe("000");
    const fingerprint = await openssl("x509", "-in", cert, "-noout", "-fingerprint", "-sha256");
    await program.says(fingerprint.trim().replace(/^.*=/, ""));
  });

  test("the plain port beside it leads to https", async () => {
    await using program = await start([...certificate("rsa"), "--https-redirect", "0", "--hsts", "1h"]);
    await program.says("are sent to https");
    const port = /Plain requests to http:\/\/127\.0\.0\.1:(\d+)/.exec(program.stdout)?.[1];
    const format = [
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code} %{url_effective} %header{strict-transport-security}",
    ];
    const words = ["--location", "--cacert", authority, ...format, `http://localhost:${port}/?a=b`];
    expect((await curl(...words)).stdout).toBe(`200 https://localhost:${program.port}/?a=b max-age=3600`);
  });
});

outside.describe("SIGHUP", () => {
  /** Puts a certificate where the server looks for it, as tools do that renew one. */
  function install(name: string): readonly string[] {
    for (const kind of ["-chain.pem", ".key"]) {
      writeFileSync(place.path(`new${kind}`), readFileSync(join(place.top, `${name}${kind}`)));
      renameSync(place.path(`new${kind}`), place.path(`live${kind}`));
    }
    return ["--tls-cert", place.path("live-chain.pem"), "--tls-key", place.path("live.key")];
  }

  test("takes up a renewed certificate under load, and loses no connection and no request", async () => {
    await using program = await start([...install("rsa"), "--max-requests", "0", "--quiet"], {
      HTTPSERVER_TLS_PASSPHRASE: PASSPHRASE,
    });
    const ca = readFileSync(authority, "utf8");
    let isOver = false;
    let answered = 0;
    const statuses = new Set<number>();
    const persistent = async () => {
      using client = await RawClient.connect(program.port, { ca });
      while (!isOver) {
        statuses.add((await client.send(request(program.port, "GET /")).answer()).status);
        answered++;
      }
    };
    const fresh = async () => {
      while (!isOver) {
        using client = await RawClient.connect(program.port, { ca });
        statuses.add(
          (await client.send(request(program.port, "GET /data.bin", "Connection: close\r\n")).answer()).status,
        );
        answered++;
      }
    };
    const load = Promise.all([persistent(), persistent(), persistent(), fresh(), fresh()]);
    for (const name of ["ec", "rsa", "ec"]) {
      const before = answered;
      await until(() => answered > before + 50, "some answers");
      install(name);
      program.signal("SIGHUP");
      await until(async () => (await sClient(program.port)).includes(`CN = ${name}`), `the certificate ${name}`);
    }
    const before = answered;
    await until(() => answered > before + 50, "answers after the last change");
    isOver = true;
    await load;
    expect([...statuses]).toEqual([200]);
    program.signal("SIGTERM");
    expect(await program.ended()).toBe(0);
    expect(program.stderr).toBe("");
  }, 20_000);

  test("changes neither the versions nor the suites, nor that plain requests are told", async () => {
    await using program = await start(install("rsa"));
    program.signal("SIGHUP");
    await program.says("Certificate read again");
    expect(await sClient(program.port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")).toContain("alert protocol version");
    const old = "ECDHE-RSA-AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0";
    expect(await sClient(program.port, "-tls1_2", "-cipher", old)).toContain("handshake failure");
    const theirs = "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256";
    expect(await sClient(program.port, "-tls1_2", "-cipher", theirs)).toContain(
      "Cipher is ECDHE-RSA-AES128-GCM-SHA256",
    );
    const words = ["--cacert", authority, "--http2", "--write-out", "%{http_version}", program.url];
    expect((await curl(...words)).stdout).toBe("page2");
    expect(await curlStatus(`http://127.0.0.1:${program.port}/`)).toBe("400");
  });

  test("leaves a certificate in use when the new one is of no use, and says why", async () => {
    await using program = await start(install("rsa"));
    writeFileSync(place.path("live.key"), "no key\n");
    program.signal("SIGHUP");
    await until(() => program.stderr.includes("the old certificate stays in use"), "the reason");
    expect(program.stderr).toContain("has no key in PEM");
    expect(await curlStatus("--cacert", authority, program.url)).toBe("200");
  });

  test("also reopens the log file", async () => {
    const log = place.path("access.log");
    await using program = await start([...install("rsa"), "--log-file", log]);
    await curlStatus("--cacert", authority, `${program.url}/before`);
    await until(() => readFileSync(log, "utf8").includes("/before"), "the first line");
    renameSync(log, `${log}.1`);
    program.signal("SIGHUP");
    await program.says("Certificate read again");
    await curlStatus("--cacert", authority, `${program.url}/after`);
    await until(() => readFileSync(log, "utf8").includes("/after"), "the line in the new file");
  });
});

outside.describe("a start that fails", () => {
  const mistakes: readonly [what: string, words: () => readonly string[], code: number, said: string][] = [
    ["a missing file", () => ["--tls-cert", "a.pem", "--tls-key", "a.key"], 3, "cannot read --tls-cert a.pem"],
    ["a passphrase that nobody gave", () => certificate("ec"), 3, "HTTPSERVER_TLS_PASSPHRASE"],
    ["a certificate alone", () => ["--tls-cert", "a.pem"], 2, "--tls-cert needs --tls-key"],
    [
      "a redirect without TLS",
      () => ["--https-redirect", "80"],
      2,
      "--https-redirect needs --tls-cert or --tls-self-signed",
    ],
    ["a port that is none", () => ["--tls-self-signed", "--https-redirect", "x"], 2, "or off, got"],
  ];
  for (const [what, words, code, said] of mistakes) {
    test(`says what to do: ${what}`, async () => {
      const ended = await run([place.program, "--port", "0", ...words()], { cwd: place.folder });
      expect(ended.code).toBe(code);
      expect(ended.stderr).toContain(said);
      expect(ended.stderr.trimEnd()).not.toContain("\n");
    });
  }

  test("a wrong passphrase, which nothing that is printed repeats", async () => {
    const env = { HTTPSERVER_TLS_PASSPHRASE: "incorrect horse" };
    const ended = await run([place.program, "--port", "0", ...certificate("ec")], { cwd: place.folder, env });
    expect([ended.code, ended.stdout]).toEqual([3, ""]);
    expect(ended.stderr).toContain("the passphrase is wrong");
    const printed = await run([place.program, "--print-config", ...certificate("ec")], { cwd: place.folder, env });
    expect(printed.code).toBe(0);
    expect(ended.stderr + printed.stdout + printed.stderr).not.toContain("incorrect horse");
  });
});
