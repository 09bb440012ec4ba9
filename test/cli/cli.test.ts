/** The command line as tables of words, then `main` in a process of its own, with a server that only pretends. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRun, parseServe, type Question, type RunOrder, type ServeOrder } from "../../src/cli/command-line.ts";
import { COMMANDS, findCommand } from "../../src/cli/commands.ts";
import { COMMAND_NAMES, FOLDER_DEFAULTS } from "../../src/cli/folder-form.ts";
import { FOREIGN_FLAGS } from "../../src/cli/foreign-flags.ts";
import { parseHashPassword } from "../../src/cli/hash-password.ts";
import { renderHelp, renderSettings, renderVersion } from "../../src/cli/help.ts";
import { type ProbeOrder, parseProbe } from "../../src/cli/probe.ts";
import { environmentName, GROUPS, type Group } from "../../src/settings/kinds.ts";
import { resolveSettings, type Settings, settingNames, settingTable } from "../../src/settings/resolve.ts";
import { RETIRED } from "../../src/settings/retired.ts";
import { needs, posix } from "../support/needs.ts";
import { until } from "../support/waiting.ts";

type Environment = Record<string, string>;

type CommandLine = ServeOrder | RunOrder | ReturnType<typeof parseHashPassword> | Question;

/** Parses the words into an order for the program; `probe` has a parser of its own. */
function parseCommandLine(argv: readonly string[], env: Environment): CommandLine {
  const { command, words } = findCommand(argv);
  if (command.name === "hash-password") return parseHashPassword(words);
  return command.name === "run" ? parseRun(words, env) : parseServe(words, env);
}

function optionsOf(command: CommandLine): Settings {
  if (command.kind !== "serve" && command.kind !== "run")
    throw new Error(`expected a server, got ${JSON.stringify(command)}`);
  return command.options;
}

/** What a setting cannot do without. */
const NEEDS: Partial<Record<keyof Settings, readonly string[]>> = {
  tlsCert: ["--tls-key=key.pem"],
  tlsKey: ["--tls-cert=chain.pem"],
  tlsPassphraseFile: ["--tls-cert=chain.pem", "--tls-key=key.pem"],
  httpsRedirectPort: ["--tls-self-signed"],
  hstsMs: ["--tls-self-signed"],
  authUploads: ["--basic-auth=@users.txt"],
  fixtureToken: ["--fixture"],
  faults: ["--fixture"],
  proxyProtocol: ["--trusted-proxy=10.0.0.0/8"],
  uploadsMaxBytes: ["--upload-any"],
  record: ["--proxy=/** http://127.0.0.1:3000"],
};

describe("words that start a server", () => {
  const cases: readonly [words: string, changed: Partial<Settings>, env?: Environment][] = [
    ["", {}],
    ["8000", { port: 8000 }],
    ["8000 0.0.0.0 20", { port: 8000, host: "0.0.0.0", threads: 20 }],
    ["--port 8000 --threads 10", { port: 8000 }],
    ["--port=8000", { port: 8000 }],
    ["-p 8000 -t 3", { port: 8000, threads: 3 }],
    ["-p8000 -t=3", { port: 8000, threads: 3 }],
    ["-qp 0", { quiet: true, port: 0 }],
    ["-v", { verbose: true }],
    ["--port 1 --port 2", { port: 2 }],
    ["--root files 8000", { root: "files", port: 8000 }],
    ["--root=-odd", { root: "-odd" }],
    ["--root=a=b", { root: "a=b" }],
    ["--root ~/x --log-file a,b", { root: "~/x", logFile: "a,b" }],
    ["8000 [::1]", { port: 8000, host: "::1" }],
    ["--host LOCALHOST", { host: "127.0.0.1" }],
    ["-- 8000 ::1", { port: 8000, host: "::1" }],
    ["--inline -- 8000", { inline: true, port: 8000 }],
    ["--inline --no-inline", {}],
    ["--no-inline --inline", { inline: true }],
    ["--inline=false --quiet=on", { quiet: true }],
    ["--allowed-host a.test --allowed-host b.test", { allowedHosts: ["a.test", "b.test"] }],
    ["--allowed-host a.test,b.test", { allowedHosts: ["a.test", "b.test"] }],
    ["--keep-alive-timeout 2m --queue-timeout=500ms", { keepAliveTimeoutMs: 120_000, queueTimeoutMs: 500 }],
    ["--max-body 64kb --max-header 32k", { maxBodyBytes: 65_536, maxHeaderBytes: 32_768 }],
    ["--log-format json", { logFormat: "json" }],
    ["--httpbin", { httpbin: "/" }],
    ["--httpbin /", { httpbin: "/" }],
    ["--httpbin 8000", { httpbin: "/", port: 8000 }],
    ["--httpbin --quiet", { httpbin: "/", quiet: true }],
    ["--httpbin /bin 8000", { httpbin: "/bin", port: 8000 }],
    ["--httpbin=/a/b.c/", { httpbin: "/a/b.c" }],
    ["--httpbin --no-httpbin", {}],
    ["", { httpbin: "/" }, { HTTPSERVER_HTTPBIN: "on" }],
    ["--no-httpbin", {}, { HTTPSERVER_HTTPBIN: "/bin" }],
    ["", { port: 9000, quiet: true }, { HTTPSERVER_PORT: "9000", HTTPSERVER_QUIET: "yes" }],
    ["--port 9001", { port: 9001 }, { HTTPSERVER_PORT: "9000" }],
    ["9001", { port: 9001 }, { HTTPSERVER_PORT: "9000" }],
    ["--port 9001", { port: 9001 }, { HTTPSERVER_PORT: "nonsense" }],
    ["--no-verbose -q", { quiet: true }, { HTTPSERVER_VERBOSE: "1" }],
    ["", {}, { HTTPSERVER_PORT: "", HTTPSERVER_OTHER: "1", PORT: "9000" }],
    ["", { allowedHosts: ["a.test", "*"] }, { HTTPSERVER_ALLOWED_HOST: "a.test,*" }],
    ["--allowed-host b.test", { allowedHosts: ["b.test"] }, { HTTPSERVER_ALLOWED_HOST: "a.test" }],
  ];
  for (const [words, changed, env] of cases) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} changes ${JSON.stringify(changed)}`, () => {
      expect(optionsOf(parseCommandLine(split(words), env ?? {}))).toEqual(resolveSettings(changed));
    });
  }

  test("a header has commas and spaces, and several add up; in a variable each has a line", () => {
    const first = "Link: </a.css>; rel=preload, </b.js>; rel=preload";
    const expected = { headers: [first, "X-B: c"] };
    expect(optionsOf(parseCommandLine(["--header", first, "--header=X-B: c"], {}))).toMatchObject(expected);
    expect(optionsOf(parseCommandLine([], { HTTPSERVER_HEADER: `${first}\nX-B: c\n` }))).toMatchObject(expected);
  });

  const origins: readonly [words: string, changed: Partial<Settings>][] = [
    ["--cors *", { cors: ["*"] }],
    ["--cors https://a.test 8000", { cors: ["https://a.test"], port: 8000 }],
    ["--cors https://a.test,http://b.test", { cors: ["https://a.test", "http://b.test"] }],
    ["--cors https://a.test --cors http://b.test", { cors: ["https://a.test", "http://b.test"] }],
  ];
  for (const [words, changed] of origins) {
    test(`"${words}" changes ${JSON.stringify(changed)}`, () => {
      expect(optionsOf(parseCommandLine(split(words), {}))).toEqual(resolveSettings(changed));
    });
  }

  test("every setting can be given by its flag and by its variable", () => {
    for (const name of settingNames) {
      const option = settingTable[name];
      const text = {
        integer: "7",
        duration: "7s",
        size: "7kb",
        text: name === "base" || (option.kind === "text" && option.alone !== undefined) ? "/seven" : "seven",
        switch: option.default === true ? "false" : "true",
        list: option.kind === "list" ? option.example.replaceAll("'", "") : "",
        choice: "json",
      }[option.kind];
      const needed = NEEDS[name] ?? [];
      // --strict has a meaning with a command alone.
      const [first, last] = name === "strict" ? [["run"], ["--", "true"]] : [[], []];
      const flagged = optionsOf(parseCommandLine([...first, `--${option.flag}=${text}`, ...needed, ...last], {}));
      const fromVariable = optionsOf(
        parseCommandLine([...first, ...needed, ...last], { [environmentName(option)]: text }),
      );
      expect(flagged[name]).not.toEqual(option.default);
      expect(fromVariable).toEqual(flagged);
    }
  });
});

describe("variables that are no settings", () => {
  const cases: readonly [names: string, warnings: readonly string[]][] = [
    ["HTTPSERVER_PORT HTTPSERVER_URL OTHER_PROT HTTP_PORT", []],
    ["HTTPSERVER_PROT", ["not a setting of this server: HTTPSERVER_PROT (did you mean HTTPSERVER_PORT?)"]],
    ["HTTPSERVER_MAXBODY", ["not a setting of this server: HTTPSERVER_MAXBODY (did you mean HTTPSERVER_MAX_BODY?)"]],
    ["HTTPSERVER_HELP", ["not a setting of this server: HTTPSERVER_HELP"]],
    [
      "HTTPSERVER_A1 HTTPSERVER_B1 HTTPSERVER_C1 HTTPSERVER_D1 HTTPSERVER_E1 HTTPSERVER_F1",
      ["not a setting of this server: HTTPSERVER_A1, HTTPSERVER_B1, HTTPSERVER_C1, HTTPSERVER_D1 and 2 more"],
    ],
    ["HTTPSERVER_\x1b[2J", ["not a setting of this server: HTTPSERVER_\\u001b[2J"]],
  ];
  for (const [names, warnings] of cases) {
    test(`${JSON.stringify(names)} ${warnings.length === 0 ? "give no warning" : "give one warning"}`, () => {
      const env = Object.fromEntries(names.split(" ").map((name) => [name, "1"]));
      expect(parseCommandLine([], env)).toMatchObject({ kind: "serve", warnings });
    });
  }

  test("an empty one counts as none", () => {
    expect(parseCommandLine([], { HTTPSERVER_PROT: "" })).toMatchObject({ kind: "serve", warnings: [] });
  });
});

describe("words that are refused", () => {
  const cases: readonly [words: string, line: string, env?: Environment][] = [
    ["--prot 80", "unknown flag --prot; did you mean --port?"],
    ["--thread 3", "unknown flag --thread; did you mean --threads?"],
    ["--keepalive-timeout 3s", "unknown flag --keepalive-timeout; did you mean --keep-alive-timeout?"],
    ["--verison", "unknown flag --verison; did you mean --version?"],
    ["--completely-different", "unknown flag --completely-different; httpserver --help lists the flags"],
    ["--Port 80", "unknown flag --Port; did you mean --port?"],
    ["--no-port", "unknown flag --no-port; "],
    ["--no-inlin", "unknown flag --no-inlin; did you mean --no-inline?"],
    ["--no-upload", "unknown flag --no-upload; did you mean --no-uploads?"],
    ["--positional-port=1", "unknown flag --positional-port; "],
    ["--maxBody 1", "unknown flag --maxBody; did you mean --max-body?"],
    ["--_ 1", "unknown flag --_; "],
    ["-x", "unknown flag -x; "],
    ["-5", "unknown flag -5; "],
    ["--port", "--port needs a value, for instance --port=8080"],
    ["--port=", "--port needs a value"],
    ["-p", "--port needs a value"],
    ["--port --quiet", "--port needs a value"],
    ["--root -q", "--root needs a value"],
    ["--httpbin=bin", '--httpbin: expected a path such as /bin, but not /upload, /uploads or /__server, got "bin"'],
    ["--httpbin /__server/bin", "--httpbin: expected a path such as /bin, but not /upload, /uploads or /__server"],
    ["--httpbin /a/../b", "--httpbin: expected a path such as /bin"],
    ["--httpbin //a", "--httpbin: expected a path such as /bin"],
    ["--httpbin=", "--httpbin needs a value, for instance --httpbin=/bin"],
    ["--port abc", '--port: expected a whole number from 0 to 65535, got "abc"'],
    ["--port 65536", '--port: expected a whole number from 0 to 65535, got "65536"'],
    ["--port 8e3", '--port: expected a whole number from 0 to 65535, got "8e3"'],
    ["--port 0x50", '--port: expected a whole number from 0 to 65535, got "0x50"'],
    ["--queue -5", '--queue: expected a whole number from 0 to 100000, got "-5"'],
    ["--queue=-5", '--queue: expected a whole number from 0 to 100000, got "-5"'],
    ["--queue-timeout 3x", "--queue-timeout: expected a time from 1ms to 1h such as 500ms, 30s or 2m"],
    ["--max-header 10", "--max-header: expected a size from 1kb to 1mb such as"],
    ["--log-format xml", '--log-format: expected one of auto, pretty, common, combined, json, got "xml"'],
    ["--inline=maybe", "--inline: expected true or false"],
    ["--inline 65536", '[port]: expected a whole number from 0 to 65535, got "65536"'],
    ["--no-inline=1", "--no-inline takes no value"],
    [
      "--help=1",
      '--help: expected one of all, listen, files, caching, proxy, uploads, access, tls, limits, fixture, log, process, got "1"',
    ],
    ["--help flags", "--help: expected one of all, listen, "],
    ["-h toString", "--help: expected one of all, listen, "],
    ["--allowed-host a.test,", "--allowed-host: expected a host name, *.domain, or *"],
    ["--host *", "--host: expected an IPv4 or IPv6 address or a host name (0.0.0.0 or :: binds all), got "],
    ["8000 0", "[host]: expected an IPv4 or IPv6 address"],
    ["", "HTTPSERVER_HOST: expected an IPv4 or IPv6 address", { HTTPSERVER_HOST: "127.1" }],
    ["8000 h 3 extra", 'expected at most [port] [host] [threads], but "extra" follows'],
    ["8000 --port 9000", 'port is given twice: as the word "8000" and as --port'],
    ["8000 h 0", '[threads]: expected a whole number from 1 to 1024, got "0"'],
    ["--quiet --verbose", "--quiet and --verbose exclude each other"],
    ["-qv", "--quiet and --verbose exclude each other"],
    ["-q", "--quiet and HTTPSERVER_VERBOSE exclude each other", { HTTPSERVER_VERBOSE: "1" }],
    ["", "HTTPSERVER_PORT: expected a whole number from 0 to 65535", { HTTPSERVER_PORT: "tcp://10.0.0.1:80" }],
    ["--cors=", "--cors needs a value, for instance --cors='*'"],
    ["--cors", "--cors needs a value, for instance --cors='*'"],
    ["--cors --inline", "--cors needs a value, for instance --cors='*'"],
    ["--cors app.test", '--cors: expected an origin such as https://app.test, or *, got "app.test"'],
    ["--cors https://a.test https://b.test", 'expected FOLDER or [port], got "https://b.test"'],
    ["--header X-A", "--header: expected a field line, 'Name: value', got \"X-A\""],
    ["--header Date:x", "--header: Date cannot be set: the server's clock writes it, got "],
    ["--basic-auth ann:pass", "--basic-auth: expected USER:HASH with an argon2id or bcrypt hash, never a password; "],
    ["--upload-any --no-uploads", "--upload-any needs --uploads: this server takes no uploads"],
    ["dist --upload-any", "--upload-any needs --uploads: this server takes no uploads"],
    ["--uploads-max 1gb", "--uploads-max needs --upload-any: --max-body bounds the others"],
    ["--auth-uploads", "--auth-uploads needs --basic-auth: no users are defined"],
    ["--error-page 404", "--error-page: expected STATUS=FILE such as 404=missing.html"],
    ["hash-password ann secret", "expected hash-password [USER] and the password on stdin, got "],
    ["hash-password --port", "expected hash-password [USER] and the password on stdin, got "],
    ["hash-password ann:secret", "expected a user name without a colon or white space, got "],
    ["--print-config=1", "--print-config takes no value"],
    ["--print-config --port x", "--port: expected a whole number"],
    ["", "HTTPSERVER_INLINE: expected true or false", { HTTPSERVER_INLINE: "maybe" }],
    ["--ready-format xml", '--ready-format: expected one of text, json, got "xml"'],
    ["--max-lifetime 25h", "--max-lifetime: expected a time from 0s to 24h"],
    ["--strict", "--strict works only with a command: httpserver run --strict -- command"],
    ["", "HTTPSERVER_STRICT works only with a command", { HTTPSERVER_STRICT: "1" }],
    ["run", "expected a command, as in httpserver run [flags] -- bun test, got none"],
    ["run --", "expected a command, as in httpserver run [flags] -- bun test, got none"],
    ["run bun test", 'expected a command, as in httpserver run [flags] -- bun test, got "bun"'],
    ["run 8080 -- bun test", 'expected a command, as in httpserver run [flags] -- bun test, got "8080"'],
    ["run --prot 1 -- bun test", "unknown flag --prot; did you mean --port?"],
    ["run --root -- bun test", "--root needs a value"],
    ["run --port x -- bun test", '--port: expected a whole number from 0 to 65535, got "x"'],
  ];
  for (const [words, line, env] of cases) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} is refused with "${line}"`, () => {
      const command = parseCommandLine(split(words), env ?? {});
      expect(command.kind).toBe("error");
      if (command.kind !== "error") return;
      expect(command.line).toStartWith(`httpserver: ${line}`);
      expect(command.line).toMatch(/^[ -~]+$/);
    });
  }

  const retired: readonly [words: string, line: string, env?: Environment][] = [
    ["--fixture --fixture-open", "--fixture-open is now --fixture-token '*'"],
    ["--no-fixture-open", "--fixture-open is now --fixture-token '*'"],
    ["--max-uri 8kb", "--max-uri is now part of --max-header"],
    ["--max-uri=8kb", "--max-uri is now part of --max-header"],
    ["--body-timeout 3s", "--body-timeout is now --stall-timeout"],
    ["--send-timeout 3s", "--send-timeout is now --stall-timeout"],
    ["--max-connections-per-host 3", "--max-connections-per-host is now --max-connections-per-address"],
    ["--file-cache-age 0", "--file-cache-age is gone: a file in memory is compared with the disk within a second"],
    ["run --body-timeout 3s -- a", "--body-timeout is now --stall-timeout"],
    ["", "HTTPSERVER_FIXTURE_OPEN is now HTTPSERVER_FIXTURE_TOKEN=*", { HTTPSERVER_FIXTURE_OPEN: "1" }],
    ["", "HTTPSERVER_MAX_URI is now part of HTTPSERVER_MAX_HEADER", { HTTPSERVER_MAX_URI: "8kb" }],
    ["run -- a", "HTTPSERVER_SEND_TIMEOUT is now HTTPSERVER_STALL_TIMEOUT", { HTTPSERVER_SEND_TIMEOUT: "1s" }],
  ];
  for (const [words, line, env] of retired) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} is told that "${line}"`, () => {
      expect(parseCommandLine(split(words), env ?? {})).toEqual({ kind: "error", line: `httpserver: ${line}` });
    });
  }

  test("each old name is gone, and each new one is a setting", () => {
    for (const { flag, name, successor } of RETIRED) {
      expect(settingNames).not.toContain(name as keyof Settings);
      expect(settingNames.map((known) => settingTable[known].flag)).not.toContain(flag);
      if (successor !== null) expect(settingTable[successor.name as keyof Settings].flag).toBe(successor.flag);
    }
  });

  test("an empty positional is a bad port", () => {
    expect(parseCommandLine([""], {})).toMatchObject({ kind: "error" });
  });

  test("a hostile word neither breaks the line nor reaches the terminal", () => {
    const hostile = "\x1b[2J\n\u009b\u202e\"'é";
    for (const words of [
      [`--${hostile}`],
      [`-${hostile}`],
      ["a", hostile],
      ["--port", hostile],
      ["1", "h", "1", hostile],
    ]) {
      const command = parseCommandLine(words, {});
      expect(command).toMatchObject({ kind: "error" });
      if (command.kind === "error") expect(command.line).toMatch(/^[ -~]+$/);
    }
  });

  test("names of Object.prototype are unknown flags", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      expect(parseCommandLine([`--${name}=1`], {})).toMatchObject({ kind: "error" });
    }
  });
});

describe("words with a folder", () => {
  const cases: readonly [words: string, changed: Partial<Settings>, env?: Environment][] = [
    ["dist", { root: "dist" }],
    [".", { root: "." }],
    ["../site 3000", { root: "../site", port: 3000 }],
    ["dist 3000 0.0.0.0 20", { root: "dist", port: 3000, host: "0.0.0.0", threads: 20 }],
    ["--port 3000 dist", { root: "dist", port: 3000 }],
    ["dist --host 0.0.0.0 -q", { root: "dist", host: "0.0.0.0", quiet: true }],
    ["./run", { root: "./run" }],
    ["./2024 80", { root: "./2024", port: 80 }],
    ["2024-site", { root: "2024-site" }],
    ["--inline maybe", { root: "maybe" }],
    ["--no-listing dist", { root: "dist", listing: false }],
    ["dist --no-inline --no-clean-paths", { root: "dist", inline: false, cleanPaths: false }],
    ["dist --inline=off --listing=no", { root: "dist", inline: false, listing: false }],
    ["dist --uploads in", { root: "dist", uploads: "in" }],
    ["dist --uploads in --no-uploads", { root: "dist" }],
    ["dist --no-uploads --uploads in", { root: "dist", uploads: "in" }],
    ["dist --uploads in --serve-uploads", { root: "dist", uploads: "in", serveUploads: true }],
    ["dist", { root: "dist", uploads: "in" }, { HTTPSERVER_UPLOADS: "in" }],
    ["dist", { root: "dist", listing: false, inline: false }, { HTTPSERVER_LISTING: "0", HTTPSERVER_INLINE: "off" }],
    ["dist", { root: "dist" }, { HTTPSERVER_ROOT: "other" }],
    ["-", { root: "-" }],
    ["-- --port", { root: "--port" }],
    ["--httpbin dist", { root: "dist", httpbin: "/" }],
    ["dist --httpbin /bin", { root: "dist", httpbin: "/bin" }],
    ["run dist -- a", { root: "dist", port: 0 }],
    ["run . --no-listing -- a", { root: ".", port: 0, listing: false }],
    [
      "run dist 3000 0.0.0.0 20 --strict -- a",
      { root: "dist", port: 3000, host: "0.0.0.0", threads: 20, strict: true },
    ],
  ];
  for (const [words, changed, env] of cases) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} changes ${JSON.stringify(changed)}`, () => {
      const expected = resolveSettings({ ...FOLDER_DEFAULTS, ...changed });
      expect(optionsOf(parseCommandLine(split(words), env ?? {}))).toEqual(expected);
    });
  }

  test("have the defaults of other file servers", () => {
    expect(FOLDER_DEFAULTS).toEqual({ inline: true, listing: true, cleanPaths: true, uploads: "", anyPort: true });
    expect(resolveSettings({})).toMatchObject({ inline: false, listing: false, cleanPaths: false, uploads: "uploads" });
  });

  const refused: readonly [words: string, line: string, env?: Environment][] = [
    ["dist --root x", 'root is given twice: as the word "dist" and as --root'],
    ["run dist --root x -- a", 'root is given twice: as the word "dist" and as --root'],
    ["dist 1 h 3 extra", 'expected at most FOLDER [port] [host] [threads], but "extra" follows'],
    ["dist build", '[port]: expected a whole number from 0 to 65535, got "build"'],
    ["dist 3000 --port 1", 'port is given twice: as the word "3000" and as --port'],
    ["3000 ./dist", "[host]: expected an IPv4 or IPv6 address or a host name"],
    ["dist --serve-uploads", "--serve-uploads needs --uploads: this server takes no uploads"],
    ["dist --auth-uploads --basic-auth @u", "--auth-uploads needs --uploads: this server takes no uploads"],
    ["--no-uploads --serve-uploads", "--serve-uploads needs --uploads: this server takes no uploads"],
    ["--quiet run -- a", "the command comes first: httpserver run. A folder of that name is ./run"],
    ["serve", "there is no command serve; to serve a folder: httpserver FOLDER. A folder of that name is ./serve"],
    ["serve dist", "there is no command serve; to serve a folder: httpserver FOLDER"],
    ["help", "there is no command help; for the help: httpserver --help"],
    ["version", "there is no command version; for the version: httpserver --version"],
    ["--listing false", '--listing takes no further word, got "false"; --no-listing switches it off'],
    ["--inline Off dist", '--inline takes no further word, got "Off"; --no-inline switches it off'],
    ["--inline true", '--inline takes no further word, got "true"; --inline alone switches it on'],
    ["-q no", '--quiet takes no further word, got "no"; --no-quiet switches it off'],
    ["--no-listing true", "--no-listing takes no value"],
    ["run dist", 'expected a command, as in httpserver run [flags] -- bun test, got "dist"'],
  ];
  for (const [words, line, env] of refused) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} is refused with "${line}"`, () => {
      const command = parseCommandLine(split(words), env ?? {});
      if (command.kind !== "error") throw new Error(command.kind);
      expect(command.line).toStartWith(`httpserver: ${line}`);
    });
  }

  const hints: readonly [words: string, end: string][] = [
    ["3000 ./dist", "; a folder comes first: httpserver ./dist 3000"],
    ["3000 .", "; a folder comes first: httpserver . 3000"],
    ["rum -- bun test", "; did you mean httpserver run?"],
    ["prob http://a.test", "; did you mean httpserver probe?"],
    ["hash_password ann", "; did you mean httpserver hash-password?"],
    ["rum 1 h 3 x", "; did you mean httpserver run?"],
  ];
  for (const [words, end] of hints) {
    test(`"${words}" gets the hint "${end}"`, () => {
      const command = parseCommandLine(split(words), {});
      if (command.kind !== "error") throw new Error(command.kind);
      expect(command.line).toEndWith(end);
    });
  }

  const missing: readonly [words: string, advice: string | null][] = [
    ["", "to serve this folder: httpserver . (or name another with --root)"],
    ["3000 --inline", "to serve this folder: httpserver . (or name another with --root)"],
    ["run -- a", "to serve this folder: httpserver run . -- command (or name another with --root)"],
    ["--root dist", null],
    ["rum", "did you mean httpserver run?"],
    ["RUN", "did you mean httpserver run?"],
    ["probes", "did you mean httpserver probe?"],
    ["hashpassword", "did you mean httpserver hash-password?"],
    ["localhost:3000", "for an address, write: httpserver 3000 localhost"],
    [":3000", "for an address, write: httpserver 3000"],
    ["dist", "create it, or serve the current folder: httpserver ."],
    ["--httpbin /srv/x", "/srv/x is the prefix of --httpbin; for a folder, write: httpserver /srv/x --httpbin"],
  ];
  for (const [words, advice] of missing) {
    test(`"${words}" has, if the folder is missing, the advice ${JSON.stringify(advice)}`, () => {
      expect(parseCommandLine(split(words), {})).toMatchObject({ advice: { missingRoot: advice } });
    });
  }

  test("each command is in the table, and no other", () => {
    expect(COMMANDS.map(({ name }) => name)).toEqual(["", ...COMMAND_NAMES]);
  });
});

describe("flags of other servers", () => {
  const cases: readonly [words: string, named: string][] = [
    ["--dir x", "--root"],
    ["--directory=x", "--root"],
    ["-d x", "--root"],
    ["--bind 0.0.0.0", "--host"],
    ["--address 0.0.0.0", "--host"],
    ["-l 3000", "--port"],
    ["--single", "--spa"],
    ["-s", "--spa"],
    ["-sp 3000", "--spa"],
    ["-V", "--version"],
    ["--open", "opens no browser"],
    ["dist --gzip", "--compress"],
    ["run --dir x -- a", "--root"],
  ];
  for (const [words, named] of cases) {
    test(`"${words}" is told of ${named}`, () => {
      const command = parseCommandLine(split(words), {});
      if (command.kind !== "error") throw new Error(command.kind);
      expect(command.line).toStartWith("httpserver: unknown flag ");
      expect(command.line).toContain(named);
    });
  }

  test("are not ours, and their advice names flags that are", () => {
    const ours = new Set(settingNames.map((name) => `--${settingTable[name].flag}`));
    const shorts = new Set(["-h", ...settingNames.map((name) => `-${settingTable[name].short}`)]);
    for (const [flag, advice] of FOREIGN_FLAGS) {
      expect(ours.has(flag) || shorts.has(flag)).toBe(false);
      for (const [named] of advice.matchAll(/--[a-z-]+/g)) {
        expect(ours.has(named.replace("--no-", "--")) || named === "--version").toBe(true);
      }
    }
  });
});

describe("words that run a command", () => {
  const cases: readonly [words: string, command: string, changed: Partial<Settings>, env?: Environment][] = [
    ["run -- bun test", "bun test", { port: 0 }],
    ["run --strict -- bun test --only", "bun test --only", { port: 0, strict: true }],
    ["run --port 9000 -- a -- b", "a -- b", { port: 9000 }],
    ["run --port=0 --root x -- a --port 1", "a --port 1", { port: 0, root: "x" }],
    ["run -q -- --help", "--help", { port: 0, quiet: true }],
    ["run --cors * -- a", "a", { port: 0, cors: ["*"] }],
    ["run -- run -- a", "run -- a", { port: 0 }],
    ["run -- a", "a", { port: 9000, strict: true }, { HTTPSERVER_PORT: "9000", HTTPSERVER_STRICT: "1" }],
  ];
  for (const [words, command, changed, env] of cases) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} runs "${command}" with ${JSON.stringify(changed)}`, () => {
      const parsed = parseCommandLine(split(words), env ?? {});
      expect(parsed).toMatchObject({ kind: "run", command: split(command) });
      expect(optionsOf(parsed)).toEqual(resolveSettings(changed));
    });
  }

  test("ask for help and settings like those that start a server", () => {
    expect(parseCommandLine(["run", "--help"], {})).toEqual(parseCommandLine(["--help"], {}));
    expect(parseCommandLine(["run", "--print-config", "--", "a"], {})).toMatchObject({
      kind: "settings",
      settings: { port: 0 },
    });
  });
});

describe("words that probe", () => {
  const READY = "/__server/ready";
  const targets: readonly [words: string, urls: readonly string[], isOurs: boolean, env?: Environment][] = [
    ["", [`http://127.0.0.1:8080${READY}`, `http://[::1]:8080${READY}`], true],
    ["http://127.0.0.1:8080", [`http://127.0.0.1:8080${READY}`], true],
    ["http://[::1]:8080", [`http://[::1]:8080${READY}`], true],
    ["HTTPS://a.test", [`https://a.test${READY}`], true],
    ["http://a.test/", ["http://a.test/"], false],
    ["http://a.test/x?y", ["http://a.test/x?y"], false],
    ["http://a.test?y", ["http://a.test/?y"], false],
    ["", ["http://127.0.0.1:9000", "http://[::1]:9000"].map((url) => url + READY), true, { HTTPSERVER_PORT: "9000" }],
    ["", [`http://[::1]:8080${READY}`], true, { HTTPSERVER_HOST: "::1" }],
    ["", [`http://127.0.0.1:8080${READY}`], true, { HTTPSERVER_HOST: "localhost" }],
    ["", [`http://files.test:8080${READY}`], true, { HTTPSERVER_HOST: "files.test" }],
    ["", [`http://127.0.0.1:8080${READY}`, `http://[::1]:8080${READY}`], true, { HTTPSERVER_HOST: "::" }],
    ["", [`http://127.0.0.1:8080${READY}`, `http://[::1]:8080${READY}`], true, { HTTPSERVER_HOST: "0.0.0.0" }],
    ["", [`http://127.0.0.1:8080${READY}`, `http://[::1]:8080${READY}`], true, { HTTPSERVER_TLS_SELF_SIGNED: "off" }],
    [
      "",
      ["https://127.0.0.1:8080", "https://[::1]:8080"].map((url) => url + READY),
      true,
      { HTTPSERVER_TLS_CERT: "a" },
    ],
    [
      "",
      [`https://127.0.0.1:8080${READY}`, `https://[::1]:8080${READY}`],
      true,
      { HTTPSERVER_TLS_SELF_SIGNED: "1", HTTPSERVER_PORT: "" },
    ],
    ["--port-file f", [`http://127.0.0.1:{port}${READY}`, `http://[::1]:{port}${READY}`], true],
    ["", [`http://[::1]:{port}${READY}`], true, { HTTPSERVER_PORT_FILE: "f", HTTPSERVER_HOST: "::1" }],
    ["http://a.test", [`http://a.test${READY}`], true, { HTTPSERVER_PORT_FILE: "f", HTTPSERVER_PORT: "x" }],
  ];
  for (const [words, urls, isOurs, env] of targets) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} ask ${urls.join(" and ")}`, () => {
      expect(parseProbe(split(words), env ?? {})).toMatchObject({ kind: "probe", urls, isOurs });
    });
  }

  test("name the file, the time and the pause, with or without =", () => {
    const expected = { portFile: "f", timeoutMs: 2000, intervalMs: 50 };
    expect(parseProbe(split("--port-file f --timeout 2s --interval 50ms"), {})).toMatchObject(expected);
    expect(parseProbe(split("--port-file=f --timeout=2 --interval=50ms"), {})).toMatchObject(expected);
    expect(parseProbe([], {})).toMatchObject({ portFile: "", timeoutMs: 10_000, intervalMs: 100 });
  });

  test("ask for help, which fits 80 columns", () => {
    for (const words of ["--help", "-h", "--timeout x --help"]) {
      const order = parseProbe(split(words), {});
      if (order.kind !== "help") throw new Error(order.kind);
      for (const part of ["--port-file", "--timeout", "--interval"]) expect(order.text).toContain(part);
      expect(Math.max(...order.text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    }
  });

  const refused: readonly [words: string, line: string, env?: Environment][] = [
    ["--port 1", 'unknown flag "--port"; httpserver probe --help lists the flags'],
    ["-t 1", 'unknown flag "-t"; '],
    ["--timeout", "--timeout needs a value"],
    ["--port-file=", "--port-file needs a value"],
    ["--timeout 0", '--timeout: expected a time from 1ms to 24h such as 500ms, 30s or 2m, got "0"'],
    ["--interval soon", "--interval: expected a time from 1ms to 24h"],
    ["8080", 'expected a URL such as http://127.0.0.1:8080, got "8080"'],
    ["ftp://a.test", "expected a URL such as http://127.0.0.1:8080, got "],
    ["http://a.test http://b.test", 'expected one URL or --port-file, got "http://b.test" as well'],
    ["http://a.test --port-file f", 'expected one URL or --port-file, got "http://a.test" as well'],
    ["", 'HTTPSERVER_PORT: expected a port from 1 to 65535, got "0"; or name a --port-file', { HTTPSERVER_PORT: "0" }],
    ["", "HTTPSERVER_PORT: expected a port from 1 to 65535, got ", { HTTPSERVER_PORT: "tcp://10.0.0.1:80" }],
    ["", "HTTPSERVER_HOST: expected an IPv4 or IPv6 address", { HTTPSERVER_HOST: "127.1" }],
  ];
  for (const [words, line, env] of refused) {
    test(`"${words}" ${env === undefined ? "" : JSON.stringify(env)} is refused with "${line}"`, () => {
      const order: ProbeOrder = parseProbe(split(words), env ?? {});
      if (order.kind !== "error") throw new Error(order.kind);
      expect(order.line).toStartWith(`httpserver: probe: ${line}`);
      expect(order.line).toMatch(/^[ -~]+$/);
    });
  }
});

describe("--help and --version", () => {
  const linesOf = (topic: string) => renderHelp(topic, COMMANDS).split("\n");
  const topics = ["", "all", ...Object.keys(GROUPS)];

  test("help fits one screen of 40 lines, and has twenty flags", () => {
    expect(linesOf("").length).toBeLessThanOrEqual(40);
    expect(linesOf("").filter((line) => /^ {2}(?:-.,| {3}) --/.test(line))).toHaveLength(20);
  });

  test.each(topics)("--help %s fits 80 columns and ends with a line end", (topic) => {
    expect(Math.max(...linesOf(topic).map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(renderHelp(topic, COMMANDS)).toEndWith("\n");
  });

  test("help all has every command and every flag with its whole text", () => {
    const all = renderHelp("all", COMMANDS).replaceAll(/\s+/g, " ");
    for (const { name, summary } of COMMANDS) expect(all).toContain(`httpserver ${name}`.trimEnd() && summary);
    for (const name of settingNames) {
      expect(all).toContain(`--${settingTable[name].flag} `);
      expect(all).toContain(settingTable[name].help);
    }
  });

  test("the help of a group has its flags and no other", () => {
    for (const group of Object.keys(GROUPS)) {
      const shown = linesOf(group).flatMap((line) => /^ {2}(?:-.,| {3}) (?:run )?--(\S+)/.exec(line)?.[1] ?? []);
      const flags = settingNames
        .filter((name) => settingTable[name].group === group)
        .map((name) => settingTable[name].flag);
      expect(shown).toEqual(flags);
    }
  });

  test("a group's settings stand together in the table", () => {
    const groups = settingNames.map((name) => settingTable[name].group);
    expect(groups.filter((group, index) => group !== groups[index - 1])).toEqual(Object.keys(GROUPS) as Group[]);
  });

  const asked: readonly [words: string, topic: string][] = [
    ["--help", ""],
    ["-h", ""],
    ["-qh", ""],
    ["run --help", ""],
    ["hash-password --help", ""],
    ["--help all", "all"],
    ["--help=tls", "tls"],
    ["-h limits", "limits"],
    ["--help --port 1", ""],
  ];
  for (const [words, topic] of asked) {
    test(`"${words}" asks for the help of "${topic}"`, () => {
      expect(parseCommandLine(split(words), {})).toEqual({ kind: "help", topic });
    });
  }

  const cases: readonly [words: string, kind: CommandLine["kind"]][] = [
    ["--help", "help"],
    ["-h", "help"],
    ["-qh", "help"],
    ["8000 --prot --help", "help"],
    ["--port --help", "help"],
    ["--version --help", "help"],
    ["--version", "version"],
    ["--port abc --version", "version"],
    ["--root=--help", "serve"],
    ["-- --help", "serve"],
  ];
  for (const [words, kind] of cases) {
    test(`"${words}" gives ${kind}`, () => {
      expect(parseCommandLine(split(words), {}).kind).toBe(kind);
    });
  }

  test("version names program, version and commit", () => {
    expect(renderVersion()).toBe("httpserver dev (source)\n");
  });
});

describe("--print-config", () => {
  const HASH = "$2b$10$XBQnmJGHhBSvffFeOF3SJe0Cja.g/TsbGxZgekDlqrjJMx1NMkH5y";
  const printed = (words: string, env: Environment = {}) => {
    const command = parseCommandLine([...split(words), "--print-config"], env);
    if (command.kind !== "settings") throw new Error(JSON.stringify(command));
    return renderSettings(command.settings, command.labels);
  };

  test("shows each setting once, as it would be written, with where it comes from", () => {
    const text = printed("8000 --max-body 64kb --cors * --allowed-host a.test", {
      HTTPSERVER_THREADS: "3",
      HTTPSERVER_PORT: "1",
    });
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ +/));
    expect(lines.map(([flag]) => flag)).toEqual(settingNames.map((name) => settingTable[name].flag));
    for (const line of [
      ["port", "8000", "[port]"],
      ["threads", "3", "HTTPSERVER_THREADS"],
      ["max-body", "64kb", "--max-body"],
      ["cors", "*", "--cors"],
      ["allowed-host", "a.test", "--allowed-host"],
      ["inline", "off", "default"],
      ["queue-timeout", "30s", "default"],
      ["header", "-", "default"],
    ]) {
      expect(lines).toContainEqual(line);
    }
  });

  for (const format of ["pretty", "json"]) {
    test(`shows whose credentials there are and no hash of them, with --log-format ${format}`, () => {
      const text = printed(`--log-format ${format}`, { HTTPSERVER_BASIC_AUTH: `ann:${HASH}\n@users.txt` });
      expect(text).toContain("ann:***");
      expect(text).toContain("@users.txt");
      expect(text).not.toContain(HASH.slice(7, 20));
    });
  }

  test("is an object a line with --log-format json", () => {
    const objects = printed("--log-format json --max-body 64kb")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(objects).toHaveLength(settingNames.length);
    expect(objects).toContainEqual({ name: "maxBodyBytes", flag: "max-body", value: 65_536, origin: "--max-body" });
    expect(objects).toContainEqual({ name: "headers", flag: "header", value: [], origin: "default" });
  });
});

describe("the process", () => {
  let folder = "";
  let script = "";

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cli-"));
    mkdirSync(join(folder, "resources"));
    script = join(folder, "pretend.ts");
    writeFileSync(script, pretendedServer(join(import.meta.dir, "..", "..", "src", "cli", "cli.ts")));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const spawn = (words: string, env: Environment = {}) =>
    Bun.spawn([process.execPath, script, ...split(words)], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdout: "pipe",
      stderr: "pipe",
    });

  /** Starts, waits for the ready line, sends one signal, then the other until it ends; returns what came. */
  const live = async (words: string, env: Environment, first: NodeJS.Signals, second?: NodeJS.Signals) => {
    await using child = spawn(words, env);
    const reader = child.stdout.getReader();
    const decoder = new TextDecoder();
    let stdout = "";
    while (!/Listening.*\n/.test(stdout)) {
      const { done, value } = await reader.read();
      if (done) break;
      stdout += decoder.decode(value, { stream: true });
    }
    child.kill(first);
    const hasEnded = () => {
      if (second !== undefined) child.kill(second);
      return child.exitCode !== null;
    };
    if (second !== undefined) await until(hasEnded, "the end");
    for (let read = await reader.read(); !read.done; read = await reader.read()) stdout += decoder.decode(read.value);
    return { stdout, stderr: await child.stderr.text(), code: await child.exited, pid: child.pid };
  };

  test("says that it listens, then where and what it serves, and exits 0 after a drain", async () => {
    const { stdout, stderr, code, pid } = await live("--threads 7", {}, "SIGTERM");
    const [ready, ...lines] = stdout.trimEnd().split("\n");
    expect(ready).toBe(`Listening on port 4711 (http://127.0.0.1:4711) pid=${pid}`);
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) expect(line).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \S/);
    const told = lines.join("\n");
    for (const part of ["http://127.0.0.1:4711", "7", "resources", "uploads", "Ctrl+C"]) expect(told).toContain(part);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });

  test("says nothing but the ready line with --quiet, without colour even when colour is forced", async () => {
    const { stdout, code, pid } = await live("--quiet", { FORCE_COLOR: "3" }, "SIGINT");
    expect(stdout).toBe(`Listening on port 4711 (http://127.0.0.1:4711) pid=${pid}\n`);
    expect(code).toBe(0);
  });

  test("a second signal cuts the drain short, and the exit code says so", async () => {
    const { stderr, code } = await live("", { PRETEND: "endless" }, "SIGINT", "SIGTERM");
    expect(code).toBe(143);
    expect(stderr).toContain("warning: SIGTERM received again");
  });

  test("a signal that comes twice at once is one, and does not cut the drain short", async () => {
    await using child = spawn("", { PRETEND: "slow" });
    const stdout = child.stdout.getReader();
    await stdout.read();
    child.kill("SIGINT");
    child.kill("SIGINT");
    await until(() => existsSync(join(folder, "draining")), "the drain");
    writeFileSync(join(folder, "enough"), "");
    expect(await child.exited).toBe(0);
    expect(await child.stderr.text()).toBe("");
  });

  test("SIGHUP moves on to a new log file", async () => {
    const path = join(folder, "access.log");
    await using child = spawn(`--log-file ${path} --quiet`, { PRETEND: "requests" });
    await until(() => sizeOf(path) > 0, "a line in the log file");
    renameSync(path, `${path}.1`);
    child.kill("SIGHUP");
    await until(() => sizeOf(path) > 0, "a line in the log file");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(readFileSync(path, "utf8")).toMatch(/^\[.*keep-alive\n$/s);
  });

  test("prints the settings and starts nothing", async () => {
    await using child = spawn("--print-config --port 9000");
    expect(await child.stdout.text()).toMatch(/^port +9000 +--port\n/);
    expect(await child.exited).toBe(0);
  });

  test("makes a hash of the first line of stdin that lets its password in", async () => {
    for (const [words, expected] of [
      ["hash-password", /^(\$argon2id\$\S+)\n$/],
      ["hash-password ann", /^ann:(\$argon2id\$\S+)\n$/],
    ] as const) {
      await using child = Bun.spawn([process.execPath, script, ...split(words)], {
        cwd: folder,
        stdin: new Blob(["Grüße: 日本\nmore"]),
        stdout: "pipe",
        stderr: "pipe",
      });
      const [, hash = ""] = expected.exec(await child.stdout.text()) ?? [];
      expect(await Bun.password.verify("Grüße: 日本", hash)).toBe(true);
      expect(optionsOf(parseCommandLine(["--basic-auth", `ann:${hash}`], {})).basicAuth).toEqual([`ann:${hash}`]);
      expect([await child.exited, await child.stderr.text()]).toEqual([0, ""]);
    }
  });

  for (const input of ["", "\nsecret", "a\tb\n"]) {
    test(`makes no hash of ${JSON.stringify(input)}`, async () => {
      await using child = Bun.spawn([process.execPath, script, "hash-password"], {
        cwd: folder,
        stdin: new Blob([input]),
        stdout: "pipe",
        stderr: "pipe",
      });
      expect(await child.stderr.text()).toBe("httpserver: expected a password on stdin, without control characters\n");
      expect([await child.exited, await child.stdout.text()]).toEqual([2, ""]);
    });
  }

  const failures: readonly [what: string, words: string, pretend: string, code: number, stderr: RegExp][] = [
    ["bad words", "--prot 1", "", 2, /^httpserver: unknown flag --prot; did you mean --port\?\n$/],
    ["a port in use", "", "busy", 3, /^\[.*\] error: port 8080 is in use; try --port 0\n$/],
    [
      "a log file that cannot be opened",
      "--log-file missing/x.log",
      "",
      3,
      /^httpserver: cannot open --log-file missing\/x\.log: .*\n$/,
    ],
    ["a failure of our own", "", "fault", 1, /error: the server could not start\n {4}TypeError: pretended\n/],
  ];
  for (const [what, words, pretend, code, stderr] of failures) {
    test(`${what} ends with ${code}, on stderr`, async () => {
      await using child = spawn(words, { PRETEND: pretend });
      expect(await child.stderr.text()).toMatch(stderr);
      expect(await child.stdout.text()).toBe("");
      expect(await child.exited).toBe(code);
    });
  }

  test("ends with 1, in one line on stderr, when a thread has ended by itself", async () => {
    await using child = spawn("", { PRETEND: "dying" });
    expect(await child.stderr.text()).toMatch(/^\[.*\] error: worker 2 has ended \(exit code 7\): the server ends\n$/);
    expect(await child.exited).toBe(1);
  });

  test("ends the command of run, and with 1, when a thread has ended by itself", async () => {
    await using child = spawn("run -- sleep 60", { PRETEND: "dying" });
    expect(await child.stderr.text()).toContain("error: worker 2 has ended (exit code 7): the server ends\n");
    expect(await child.exited).toBe(1);
  });

  needs(posix).test("lives on when the reader of stdout leaves", async () => {
    const { stdout } = await shell('bun "$0" | head -n 1; exit 0', "requests");
    expect(stdout).toContain("pretended requests went on\n");
  });

  needs(posix).test("lives on when stdout and stderr lose their reader", async () => {
    const { stdout } = await shell('bun "$0" 2>&1 | head -n 1; exit 0', "requests");
    expect(stdout).toStartWith("Listening on port ");
    await until(() => sizeOf(join(folder, "alive")) > 0, "a sign of life");
  });

  needs(posix).test("stops in time although its full pipe has no reader, and keeps the ready line", async () => {
    await using child = spawn("", { PRETEND: "flood" });
    await until(() => existsSync(join(folder, "flooded")), "more lines than a pipe holds");
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toContain("Listening on port 4711");
  });

  async function shell(line: string, pretend: string): Promise<{ stdout: string }> {
    rmSync(join(folder, "alive"), { force: true });
    const path = `${join(process.execPath, "..")}:${process.env["PATH"]}`;
    await using child = Bun.spawn(["sh", "-c", line, script], {
      cwd: folder,
      env: { ...process.env, PATH: path, PRETEND: pretend, PRETEND_ENDS: "1" },
      stdout: "pipe",
      stderr: "ignore",
    });
    await child.exited;
    await until(() => sizeOf(join(folder, "alive")) > 0, "a sign of life");
    return { stdout: (await child.stdout.text()) + readFileSync(join(folder, "alive"), "utf8") };
  }
});

/** A server that serves nothing: it reports requests if asked to, and drains in no time or in a long one. */
function pretendedServer(cli: string): string {
  return `
import { existsSync, writeFileSync } from "node:fs";
import { main } from ${JSON.stringify(cli)};
const pretend = process.env.PRETEND;
const entry = () => ({ wallMs: Date.now(), slot: 1, peer: "127.0.0.1:5", requestLine: "GET / HTTP/1.1", host: "ok",
  status: 200, bytes: 1, transfer: "html", durationMs: 1, persistent: true, referer: null, userAgent: null, fault: null });
const code = await main(process.argv.slice(2), process.env, async ({ log }) => {
  if (pretend === "busy") throw Object.assign(new Error("port 8080 is in use; try --port 0"), { exitCode: 3 });
  if (pretend === "fault") throw new TypeError("pretended");
  const lines = pretend === "flood" ? 5000 : pretend === "requests" ? 1 : 0;
  let turns = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < lines; i++) log.access?.(entry());
    if (pretend === "flood") writeFileSync("flooded", "");
    if (++turns < 40 || !process.env.PRETEND_ENDS) return;
    clearInterval(timer);
    writeFileSync("alive", "pretended requests went on\\n");
    process.kill(process.pid, "SIGTERM");
  }, 10);
  return {
    url: "http://127.0.0.1:4711",
    urls: ["http://127.0.0.1:4711"],
    port: 4711,
    redirectUrl: null,
    takesUploads: true,
    certificate: null,
    reload: async () => {},
    ...(pretend === "dying" ? { failure: Promise.resolve("worker 2 has ended (exit code 7): the server ends") } : {}),
    async stop(options) {
      if (pretend === "endless" && !options?.force) await new Promise(() => {});
      if (pretend === "slow") writeFileSync("draining", "");
      while (pretend === "slow" && !options?.force && !existsSync("enough")) await Bun.sleep(5);
      clearInterval(timer);
    },
  };
});
process.exit(code);
`;
}

function split(words: string): string[] {
  return words === "" ? [] : words.split(" ");
}

function sizeOf(path: string): number {
  return Bun.file(path).size;
}
