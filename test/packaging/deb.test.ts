/** Debian's package, with a small script in place of the program: what dpkg, lintian, ShellCheck and systemd read of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TARGETS } from "../../src/client/targets.ts";
import { environmentName, type Setting } from "../../src/settings/kinds.ts";
import { settingTable } from "../../src/settings/resolve.ts";
import { deb, debName, debVersion } from "../../tools/packaging/parts/deb.ts";
import { run } from "../support/binary.ts";
import { needs } from "../support/needs.ts";

const SOURCES = join(import.meta.dir, "..", "..", "tools", "packaging", "deb");
const DATE_MS = Date.UTC(2026, 10, 26);

/** Milliseconds for lintian, which starts a hundred programs. */
const LINTIAN_MS = 60_000;

const target = TARGETS.find(({ os, cpu, libc }) => os === "linux" && cpu === "x64" && libc === "glibc") ?? TARGETS[0];

let folder = "";
let file = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "deb-"));
  if (target === undefined) throw new Error("there is no target");
  file = join(folder, debName(target, "1.0.0-rc.1"));
  writeFileSync(file, await made());
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function made(): Promise<Uint8Array> {
  if (target === undefined) throw new Error("there is no target");
  const executable = new TextEncoder().encode("#!/bin/sh\nexit 0\n");
  return deb({ target, version: "1.0.0-rc.1", dateMs: DATE_MS, executable });
}

describe("the package", () => {
  test("is named as Debian names packages, and a candidate is older than its version", () => {
    expect(file).toEndWith("/httpserver_1.0.0~rc.1_amd64.deb");
    expect(debVersion("1.0.0")).toBe("1.0.0");
  });

  test("is the same, made again", async () => {
    expect(readFileSync(file).equals(await made())).toBe(true);
  });

  needs("dpkg-deb").test("has program, service, manual page, completions, documents and licence", async () => {
    const listed = await run(["dpkg-deb", "--contents", file], { cwd: folder });
    expect(listed.code).toBe(0);
    for (const path of [
      "./usr/bin/httpserver",
      "./usr/lib/systemd/system/httpserver.service",
      "./etc/default/httpserver",
      "./usr/share/man/man1/httpserver.1.gz",
      "./usr/share/bash-completion/completions/httpserver",
      "./usr/share/zsh/vendor-completions/_httpserver",
      "./usr/share/fish/vendor_completions.d/httpserver.fish",
      "./usr/share/doc/httpserver/copyright",
      "./usr/share/doc/httpserver/docs/operating.md",
    ]) {
      expect(listed.stdout).toContain(` ${path}\n`);
    }
    expect(listed.stdout).toMatch(/^-rwxr-xr-x 0\/0 .* \.\/usr\/bin\/httpserver$/m);
    const field = await run(["dpkg-deb", "--field", file, "Package", "Version", "Architecture"], { cwd: folder });
    expect(field.stdout).toBe("Package: httpserver\nVersion: 1.0.0~rc.1\nArchitecture: amd64\n");
  });

  needs("dpkg-deb").test("has the checksum of each file but those that an operator changes", async () => {
    const place = join(folder, "unpacked");
    await run(["dpkg-deb", "--raw-extract", file, place], { cwd: folder });
    const sums = readFileSync(join(place, "DEBIAN", "md5sums"), "utf8")
      .trim()
      .split("\n");
    expect(sums.length).toBeGreaterThan(20);
    for (const line of sums) {
      const [sum = "", path = ""] = line.split("  ");
      expect([
        path,
        createHash("md5")
          .update(readFileSync(join(place, path)))
          .digest("hex"),
      ]).toEqual([path, sum]);
    }
    expect(sums.join("\n")).not.toContain("etc/default");
    expect(readFileSync(join(place, "DEBIAN", "conffiles"), "utf8")).toBe("/etc/default/httpserver\n");
  });

  needs("lintian").test(
    "has no error that lintian finds",
    async () => {
      const { stdout } = await run(["lintian", "--allow-root", "--fail-on", "none", file], {
        cwd: folder,
        timeoutMs: LINTIAN_MS,
      });
      expect(stdout.split("\n").filter((line) => line.startsWith("E:"))).toEqual([]);
    },
    LINTIAN_MS,
  );
});

describe("the service", () => {
  needs("shellcheck").test("the scripts of the package are free of ShellCheck's findings", async () => {
    const scripts = ["postinst", "prerm", "postrm"].map((name) => join(SOURCES, name));
    expect(await run(["shellcheck", ...scripts], { cwd: folder })).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("the settings that it reads are settings of the program", () => {
    const names = new Set(Object.values<Setting>(settingTable).map(environmentName));
    const text = readFileSync(join(SOURCES, "httpserver.default"), "utf8");
    const named = Array.from(text.matchAll(/^#?(HTTPSERVER_[A-Z_]+)=/gm), ([, name = ""]) => name);
    expect(named.length).toBeGreaterThan(6);
    expect(named.filter((name) => !names.has(name))).toEqual([]);
  });

  needs("systemd-analyze").test("systemd understands each line, and rates the exposure as low", async () => {
    // The program is not installed here.
    const unit = join(folder, "httpserver.service");
    writeFileSync(
      unit,
      readFileSync(join(SOURCES, "httpserver.service"), "utf8").replace("/usr/bin/httpserver", "/bin/true"),
    );
    const verified = await run(["systemd-analyze", "verify", "--man=no", unit], { cwd: folder });
    expect(verified).toEqual({ code: 0, stdout: "", stderr: "" });
    const rated = await run(["systemd-analyze", "security", "--offline=true", unit], { cwd: folder });
    expect(Number(/exposure level for httpserver\.service: ([\d.]+)/.exec(rated.stdout)?.[1])).toBeLessThan(2);
  });
});
