/**
 * Request targets that try to read what is not served, each with the statuses that are right for it: made by rules where a rule
 * says more than a list, by hand where only the attack's own spelling counts. One character of a target is one byte on the wire.
 */

export interface Form {
  readonly target: string;
  /** What may be answered, to GET as to HEAD. */
  readonly statuses: readonly number[];
  /** Which attack it is. */
  readonly group: string;
}

const BROKEN = [400];
const REFUSED = [403];
const MISSING = [404];

/** Every form, without repetitions. `port` is the server's, for targets that name it; `folder` the ground's real path. */
export function pathForms(port: number, folder: string): readonly Form[] {
  const forms = new Map<string, Form>();
  const groups: Readonly<Record<string, Iterable<readonly [target: string, statuses: readonly number[]]>>> = {
    "dot segments": dotSegments(),
    "encoded twice": encodedTwice(),
    "not UTF-8": overlong(),
    lookalikes: lookalikes(),
    "each byte": eachByte(),
    windows: windowsForms(),
    "upper and lower case": caseForms(),
    "special files": specialFiles(folder),
    length: longForms(),
    "absolute form": absoluteForms(port),
    "query and fragment": queryForms(),
    "hidden names": hiddenForms(),
    normalisation: normalisationForms(),
    "empty segments": slashForms(),
    servers: knownAttacks(),
  };
  for (const [group, members] of Object.entries(groups)) {
    for (const [target, statuses] of members) {
      if (!forms.has(target)) forms.set(target, { target, statuses, group });
    }
  }
  return [...forms.values()];
}

type Members = Generator<readonly [target: string, statuses: readonly number[]], void>;

const DOTS = [".", "%2e", "%2E"];
const CANARIES = ["outside/canary.txt", "canary.txt", "etc/passwd"];

/** RFC 3986 §5.2.4: "." and ".." in every spelling of dot and separator, at every place of the path. */
function* dotSegments(): Members {
  const separators: readonly [string, readonly number[]][] = [
    ["/", REFUSED],
    ["%2f", REFUSED],
    ["%2F", REFUSED],
    ["%5c", REFUSED],
    ["%5C", REFUSED],
    ["\\", BROKEN],
  ];
  const segments = DOTS.flatMap((first) => ["", ...DOTS].map((second) => first + second));
  for (const [separator, statuses] of separators) {
    for (const segment of segments) {
      for (const before of ["/", "/sub/", "/none/", "/index.html/"]) {
        for (const depth of [1, 3, 12]) {
          const end = CANARIES[depth % CANARIES.length];
          yield [before + (segment + separator).repeat(depth) + end, statuses];
        }
      }
    }
  }
  for (const segment of segments) {
    for (const before of ["/", "/sub/", "/sub/deep/", "/out/", "/none/"]) yield [before + segment, REFUSED];
  }
  // Legal names that only look like dot segments.
  for (const name of ["...", "....", ".....", "..a", "a..", ".. ", "..;", "..,", "..~", "..:", "..=", "..+"]) {
    yield [`/${name.replaceAll(" ", "%20")}/canary.txt`, MISSING];
    yield [`/sub/${name.replaceAll(" ", "%20")}/${name.replaceAll(" ", "%20")}/outside/canary.txt`, MISSING];
  }
}

/** Decoded once: what is left is a name, never a separator. */
function* encodedTwice(): Members {
  for (const percent of ["%25", "%2525", "%252525"]) {
    for (const dot of [".", `${percent}2e`, `${percent}2E`]) {
      for (const slash of [`${percent}2f`, `${percent}2F`, `${percent}5c`, `${percent}00`]) {
        for (const depth of [1, 4]) yield [`/${`${dot}${dot}${slash}`.repeat(depth)}outside`, MISSING];
        yield [`/sub/${dot}${dot}${slash}canary.txt`, MISSING];
      }
      if (dot !== ".") yield [`/${dot}${dot}/outside/canary.txt`, MISSING];
    }
  }
}

/** RFC 3629 §3 and §10: a dot, a slash or a NUL in more bytes than it needs, surrogates, cut sequences; raw bytes are no URI. */
function* overlong(): Members {
  const spellings = (code: number): string[] => {
    const low = 0x80 | (code & 0x3f);
    const high = code >> 6;
    return [
      hex(0xc0 | high, low),
      hex(0xe0, 0x80 | high, low),
      hex(0xf0, 0x80, 0x80 | high, low),
      hex(0xf8, 0x80, 0x80, 0x80 | high, low),
      hex(0xfc, 0x80, 0x80, 0x80, 0x80 | high, low),
    ];
  };
  for (const dot of spellings(0x2e)) {
    for (const slash of ["/", ...spellings(0x2f), ...spellings(0x5c)]) {
      yield [`/${dot}${dot}${slash}outside${slash}canary.txt`, BROKEN];
      yield [`/sub/${dot}.${slash}canary.txt`, BROKEN];
    }
  }
  for (const nul of spellings(0)) yield [`/index.html${nul}.txt`, BROKEN];
  for (const slash of [...spellings(0x2f), ...spellings(0x5c)]) yield [`/sub${slash}..${slash}canary.txt`, BROKEN];
  // Bytes that some decoders take for dots and slashes because they mask the high bits away.
  for (const odd of ["%c0%2e", "%c0%2f", "%c0%5c", "%e0%40%ae", "%c1%9c", "%c1%af", "%c1%8s", "%fc%81%81%81%81%af"]) {
    yield [`/${odd}${odd}/canary.txt`, BROKEN];
  }
  for (const odd of [
    "%80",
    "%bf",
    "%c3",
    "%e2%82",
    "%f0%9f%98",
    "%ed%a0%80",
    "%ed%bf%bf",
    "%f4%90%80%80",
    "%ff",
    "%fe",
  ]) {
    yield [`/sub/${odd}`, BROKEN];
    yield [`/${odd}/../canary.txt`, BROKEN];
  }
  for (const code of [0x2e, 0x2f, 0x5c]) {
    for (const mark of ["%u00", "%U00", "%u", "\\u00", "\\x", "%%", "%0x", "%x", "&#x"]) {
      const text = code.toString(16);
      yield [`/..${mark}${text}canary.txt`, BROKEN];
    }
  }
}

/** Characters that look like dots and slashes, or become them in some normalisation or code page; here they are names. */
function* lookalikes(): Members {
  const dots = ["．", "․", "‥", "…", "。", "｡", "·", "∙", "⋅", "٠", "۔", "܁", "܂", "꘎", "𐩐", "︰", "﹒"];
  const slashes = ["／", "⁄", "∕", "⧸", "＼", "∖", "⧵", "﹨", "⟋", "╱", "丿", "〳", "／", "¥", "₩"];
  for (const dot of dots) {
    yield [`/${utf8(dot + dot)}/canary.txt`, MISSING];
    yield [`/sub/${utf8(dot)}/${utf8(dot + dot)}/outside/canary.txt`, MISSING];
    yield [`/.${utf8(dot)}/canary.txt`, MISSING];
  }
  for (const slash of slashes) {
    yield [`/..${utf8(slash)}outside${utf8(slash)}canary.txt`, MISSING];
    yield [`/sub${utf8(slash)}index.html`, MISSING];
    for (const dot of ["．", "‥"]) yield [`/${utf8(dot + dot + slash)}canary.txt`, MISSING];
  }
  // Characters without width, and those that a case-insensitive file system leaves out of a name.
  for (const mark of ["​", "‌", "‍", "⁠", "﻿", "­", "‮", "͏", "️"]) {
    yield [`/.${utf8(mark)}./canary.txt`, MISSING];
    yield [`/${utf8(mark)}../canary.txt`, MISSING];
    yield [`/${utf8(mark)}.secret`, MISSING];
    yield [`/index.html${utf8(mark)}`, MISSING];
  }
}

/** Every byte, raw and encoded: alone, behind and before "..", and at the end of a file that exists. */
function* eachByte(): Members {
  for (let byte = 1; byte < 256; byte++) {
    const raw = String.fromCharCode(byte);
    const encoded = hex(byte);
    const whenEncoded = byte < 0x20 || byte >= 0x7f ? BROKEN : raw === "/" || raw === "\\" ? REFUSED : MISSING;
    yield [`/x${encoded}`, whenEncoded];
    yield [`/index.html${encoded}`, whenEncoded];
    yield [`/..${encoded}/outside/canary.txt`, raw === "." ? MISSING : whenEncoded];
    yield [`/${encoded}../outside/canary.txt`, whenEncoded];
    if (raw === "/" || raw === "?" || raw === " " || raw === "\n" || raw === "\r") continue;
    const whenRaw = PATH_CHARACTER.test(raw) ? MISSING : BROKEN;
    yield [`/x${raw}`, whenRaw];
    yield [`/..${raw}canary.txt`, whenRaw];
  }
  yield ["/%00", BROKEN];
  yield ["/index.html%00", BROKEN];
  yield ["/index.html%00.txt", BROKEN];
  yield ["/..%00/canary.txt", BROKEN];
  yield ["/%00../canary.txt", BROKEN];
  yield ["/out/canary.txt%00.html", BROKEN];
  for (const space of [" ", "\t", "\v", "\f"]) yield [`/..${space}/canary.txt`, BROKEN];
  for (const cut of ["%", "%2", "%g0", "%0g", "%-1", "%+1", "% 1", "%2e%", "%2e%2"]) yield [`/..${cut}`, BROKEN];
}

/** Bytes that a path may have: no control, no "#", "%" or backslash, and none that is a character only with others. */
const PATH_CHARACTER = /[!"$&-[\]-~]/;

/** Drives, devices, streams, short names: all of them plain names, or refused, wherever the server runs. */
function* windowsForms(): Members {
  for (const drive of ["C:", "c:", "C|", "c%3a", "C%7c", "Z:"]) {
    for (const rest of ["", "/", "/Windows/win.ini", "/outside/canary.txt", "canary.txt"]) {
      yield [`/${drive}${rest}`, MISSING];
      yield [`/sub/${drive}${rest}`, MISSING];
    }
    yield [`/${drive}%5cWindows%5cwin.ini`, REFUSED];
  }
  for (const prefix of ["//?/", "//./", "//localhost/c$/", "//127.0.0.1/share/"]) {
    yield [`${prefix}C:/Windows/win.ini`, REFUSED];
  }
  for (const prefix of ["%5c%5c%3f%5c", "%5c%5c.%5c", "%5c%5clocalhost%5cc$%5c", "%5c%3f%3f%5c"]) {
    yield [`/${prefix}C:%5cWindows`, REFUSED];
  }
  for (const prefix of ["\\\\?\\C:\\", "\\\\.\\C:\\", "\\..\\..\\", "/\\\\localhost\\c$\\", "\\canary.txt"])
    yield [prefix, BROKEN];
  for (const stream of [
    "::$DATA",
    ":$DATA",
    "::$INDEX_ALLOCATION",
    ":canary",
    ":canary:$DATA",
    "::%24DATA",
    ":Zone.Identifier",
  ]) {
    for (const name of ["index.html", "sub", "sub/index.html", ".secret"]) yield [`/${name}${stream}`, MISSING];
    yield [`/sub${stream}/index.html`, MISSING];
  }
  const devices = ["CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$", "COM1", "COM9", "LPT1", "LPT9"];
  for (const device of devices) {
    for (const end of ["", ".txt", ".html", ":", ".", "%20", "/index.html"]) yield [`/${device}${end}`, MISSING];
    yield [`/sub/${device.toLowerCase()}`, MISSING];
  }
  for (const name of ["com%c2%b9", "com%c2%b2", "lpt%c2%b3"]) yield [`/${name}`, MISSING];
  for (const short of [
    "INDEX~1.HTM",
    "index~1.htm",
    "SECRET~1",
    "GIT~1/config",
    "SUB~1/index.html",
    "OUTSID~1",
    "up~1",
  ]) {
    yield [`/${short}`, MISSING];
  }
  for (const end of [".", "..", "...", "%20", "%20.", ".%20", "%20%20%20", "%c2%a0", "%e3%80%80", "%2e", "::"]) {
    yield [`/index.html${end}`, MISSING];
    yield [`/sub${end}/index.html`, MISSING];
    yield [`/.secret${end}`, MISSING];
    yield [`/up${end}/stored.json`, MISSING];
  }
}

/** A hidden or forbidden name in another case is another name, or just as forbidden. */
function* caseForms(): Members {
  for (const name of ["INDEX.HTML", "Index.html", "index.HTML", "SUB/index.html", "Sub/INDEX.html", "Out/canary.txt"]) {
    yield [`/${name}`, MISSING];
  }
  for (const name of [".SECRET", ".Secret", ".GIT/config", ".Git/Config", "UP/stored.json", "Up/STORED.JSON"]) {
    yield [`/${name}`, MISSING];
  }
  // Fold to ASCII letters in some tables: Kelvin sign, long s, dotless and dotted i.
  for (const name of ["linK/canary.txt", "ſub/index.html", "ındex.html", "İndex.html", "ＳＵＢ/index.html", "ﬁle"]) {
    yield [`/${utf8(name)}`, MISSING];
  }
}

/** The kernel's own doors: as paths below the root they are nothing. */
function* specialFiles(folder: string): Members {
  const paths = [
    ...["root", "environ", "cwd", "exe", "maps", "mem", "cmdline", "fd/0", "fd/3", "task", "mounts", "ns/net"].flatMap(
      (name) => [`/proc/self/${name}`, `/proc/1/${name}`, `/proc/thread-self/${name}`],
    ),
    ...["zero", "null", "random", "tty", "stdin", "fd/0", "shm", "mem", "kmsg", "full"].map((name) => `/dev/${name}`),
    "/etc/passwd",
    "/etc/shadow",
    "/sys/kernel",
    "/run/secrets/token",
    `/proc/self/root${folder}/outside/canary.txt`,
    `/proc/self/cwd/../canary.txt`,
    folder,
    `${folder}/outside/canary.txt`,
  ];
  for (const path of paths) {
    yield [path, path.includes("..") ? REFUSED : MISSING];
    yield [`/${path}`, REFUSED];
    yield [`/sub${path}`, path.includes("..") ? REFUSED : MISSING];
    yield [`/${encodeURIComponent(path)}`, REFUSED];
    yield [`file://${path}`, BROKEN];
  }
}

function* longForms(): Members {
  const exactly = (length: number, unit: string) => `/${unit.repeat(Math.ceil(length / unit.length))}`.slice(0, length);
  for (const length of [254, 255, 256, 257, 1023, 1024, 4095, 4096, 4097, 7999, 8000, 16_000]) {
    yield [exactly(length, "a"), MISSING];
    yield [exactly(length, "a/"), MISSING];
    yield [exactly(length, "sub/"), MISSING];
    yield [`${exactly(length - 14, "a")}/../canary.txt`, REFUSED];
  }
  for (const length of [16_385, 16_400, 20_000]) {
    for (const unit of ["a", "../", "%2e", "sub/../", "/"]) yield [exactly(length, unit), [414]];
  }
  for (const count of [10, 100, 1000, 2600]) yield [`/${"../".repeat(count)}canary.txt`, REFUSED];
  for (const count of [10, 100, 1000, 2600]) yield [`/${"sub/".repeat(count).slice(0, 7000)}canary.txt`, MISSING];
  yield [`/${"./".repeat(2000)}outside/canary.txt`, REFUSED];
  yield [`/${"%c3%a9".repeat(1300)}`, MISSING];
  for (const count of [10, 41, 500]) yield [`/inside/${"self/".repeat(count)}none.html`, MISSING];
}

/** RFC 9112 §3.2.2: the same rules for the path, and only one authority. */
function* absoluteForms(port: number): Members {
  const own = `localhost:${port}`;
  for (const scheme of ["http", "HTTP", "hTTp", "https"]) {
    yield [`${scheme}://${own}/../outside/canary.txt`, REFUSED];
    yield [`${scheme}://${own}/%2e%2e/outside/canary.txt`, REFUSED];
    yield [`${scheme}://${own}//etc/passwd`, REFUSED];
    yield [`${scheme}://${own}/..%2foutside%2fcanary.txt`, REFUSED];
    yield [`${scheme}://${own}/.secret`, MISSING];
    yield [`${scheme}://${own}/out/canary.txt`, REFUSED];
    yield [`${scheme}://${own}/up/stored.json`, MISSING];
    yield [`${scheme}://LOCALHOST:${port}/%252e%252e/canary.txt`, MISSING];
  }
  for (const authority of [
    "..",
    ".",
    "",
    "%2e%2e",
    "evil.example",
    `${own}@evil.example`,
    `evil.example@${own}`,
    `user:pw@${own}`,
  ]) {
    yield [`http://${authority}/canary.txt`, BROKEN];
    yield [`http://${authority}/../canary.txt`, BROKEN];
  }
  for (const authority of [
    `localhost:${port}0`,
    "localhost:",
    "localhost:0",
    "localhost:99999",
    "[::1",
    "[..]",
    "a/b",
  ]) {
    yield [`http://${authority}`, BROKEN];
  }
  const schemes = [
    "file",
    "ftp",
    "gopher",
    "data",
    "jar",
    "php",
    "expect",
    "dict",
    "ldap",
    "ws",
    "javascript",
    "view-source",
  ];
  for (const scheme of schemes) {
    yield [`${scheme}:///etc/passwd`, BROKEN];
    yield [`${scheme}://${own}/index.html`, BROKEN];
    yield [`${scheme}:../canary.txt`, BROKEN];
  }
  for (const target of [
    "*",
    "**",
    "*/../canary.txt",
    "..",
    ".",
    "../canary.txt",
    "canary.txt",
    "~",
    "localhost",
    own,
    "?",
    "http:",
    "http:/",
    "http://",
  ]) {
    yield [target, BROKEN];
  }
  for (const user of ["~", "~root", "~root/.ssh/id_rsa", "%7eroot"]) yield [`/${user}`, MISSING];
}

/** What follows "?" is no path; "#" is never sent; both are names when they are encoded. */
function* queryForms(): Members {
  const queries = [
    "../canary.txt",
    "/../../outside/canary.txt",
    "%2e%2e%2fcanary.txt",
    "file=../canary.txt",
    "?../canary.txt",
    "%00",
    "\u007e/..",
    "//evil",
  ];
  for (const query of queries) {
    yield [`/?${query}`, [200]];
    yield [`/index.html?${query}`, [200]];
    yield [`/sub?${query}`, [308]];
    yield [`/..?${query}`, REFUSED];
    yield [`/out/canary.txt?${query}`, REFUSED];
    yield [`/index.html%3f${query.includes("%00") ? "" : encodeURIComponent(query).replaceAll("%2F", "!")}`, MISSING];
  }
  for (const fragment of ["#", "#/../canary.txt", "#?", "?#", "?a#../canary.txt"]) {
    yield [`/${fragment}`, BROKEN];
    yield [`/..${fragment}`, BROKEN];
    yield [`/index.html${fragment}`, BROKEN];
  }
  for (const matrix of [";", ";/", ";a=b", ";/../canary.txt", ";..", "%3b", ";jsessionid=../.."]) {
    const leaves = matrix.split("/").includes("..");
    yield [`/index.html${matrix}`, leaves || matrix.includes("/..") ? REFUSED : MISSING];
    yield [`/sub${matrix}/index.html`, leaves ? REFUSED : MISSING];
  }
}

/** A name with a dot at its start is not there, whatever stands before it. */
function* hiddenForms(): Members {
  const spelled = (name: string) => [`.${name}`, `%2e${name}`, `%2E${name}`];
  const names = [
    "secret",
    "git/config",
    "env",
    "htpasswd",
    "ssh/id_rsa",
    "well-known",
    "well-known%2e/x",
    "well-knownx/x",
    "DS_Store",
  ];
  for (const name of names) {
    for (const hidden of spelled(name)) {
      for (const before of ["/", "/sub/", "/none/", "/sub//", "/.git/"]) yield [before + hidden, MISSING];
    }
  }
  for (const dot of DOTS) {
    yield [`/${dot}well-known/ok.txt`, [200]];
    yield [`/.well-known/${dot}secret`, MISSING];
    yield [`/.well-known/sub/${dot}secret`, MISSING];
    yield [`/.well-known/../${dot}secret`, REFUSED];
    yield [`/.well-known/${dot}${dot}/.secret`, REFUSED];
    yield [`/.well-known//${dot}secret`, MISSING];
    yield [`/sub/${dot}well-known/ok.txt`, MISSING];
  }
  for (const name of [
    "up",
    "up/",
    "up/stored.json",
    "up//stored.json",
    "up/none.json",
    "stored",
    "stored/",
    "stored/stored.json",
    "stored.json",
    "uploads/stored.json",
  ]) {
    yield [`/${name}`, MISSING];
  }
}

/** NFC and NFD of a name are two names; the one that exists is served. */
function* normalisationForms(): Members {
  yield [`/${utf8("é.html".normalize("NFC"))}`, [200]];
  yield [`/${utf8("é.html".normalize("NFD"))}`, MISSING];
  yield [`/${utf8("Å.html".normalize("NFD"))}`, [200]];
  yield [`/${utf8("Å.html".normalize("NFC"))}`, MISSING];
  yield [`/${utf8("\u212b.html")}`, MISSING]; // Angstrom sign, whose NFC is the letter
  for (const name of [
    "ｉｎｄｅｘ.html",
    "index．html",
    "𝐢ndex.html",
    "ⅰndex.html",
    "indeх.html",
    "ｓｕｂ/index.html",
    "①.html",
  ]) {
    yield [`/${utf8(name)}`, MISSING];
    yield [`/${utf8(name.normalize("NFD"))}`, MISSING];
  }
}

/** Empty segments are kept by the decoder and merged by the kernel; at the start they would be another host. */
function* slashForms(): Members {
  for (const count of [2, 3, 4, 9]) {
    const slashes = "/".repeat(count);
    for (const rest of ["", "canary.txt", "evil.example", "evil.example/..", "etc/passwd", "index.html"]) {
      yield [slashes + rest, REFUSED];
    }
    yield [`/sub${slashes}index.html`, [200]];
    yield [`/sub${slashes}..${slashes}canary.txt`, REFUSED];
    yield [`/sub${slashes}.secret`, MISSING];
    yield [`/out${slashes}canary.txt`, REFUSED];
    yield [`/index.html${slashes}`, MISSING];
    yield [`/up${slashes}stored.json`, MISSING];
  }
  yield ["/%2f/etc/passwd", REFUSED];
  yield ["/%2fetc%2fpasswd", REFUSED];
}

/** As they were written against real servers, word for word. */
function* knownAttacks(): Members {
  yield ["/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd", REFUSED]; // CVE-2021-41773
  yield ["/cgi-bin/.%%32%65/.%%32%65/etc/passwd", BROKEN]; // CVE-2021-42013
  yield ["/icons/.%%32%65/etc/passwd", BROKEN];
  yield ["/scripts/..%c0%af../winnt/system32/cmd.exe", BROKEN]; // CVE-2000-0884
  yield ["/scripts/..%255c../winnt/system32/cmd.exe", MISSING]; // CVE-2001-0333
  yield ["/static../outside/canary.txt", MISSING]; // a prefix without its slash
  yield ["/www/../outside/canary.txt", REFUSED];
  yield ["/../www-backup/canary.txt", REFUSED];
  yield ["/public/plugins/text/../../../../etc/passwd", REFUSED]; // CVE-2021-43798
  yield ["/..;/outside/canary.txt", MISSING];
  yield ["/.;/.;/canary.txt", MISSING];
  yield ["/%2e%2e;/canary.txt", MISSING];
  yield ["/....//....//outside/canary.txt", MISSING]; // filters that take "../" out once
  yield ["/..././..././canary.txt", REFUSED];
  yield ["/..%01/canary.txt", BROKEN];
  yield ["/.%0d./canary.txt", BROKEN];
  yield ["/.%0a./canary.txt", BROKEN];
  yield ["/%0d%0aX-Injected:%20yes", BROKEN];
  yield ["/@fs/etc/passwd", MISSING]; // CVE-2025-30208
  yield ["/@fs/etc/passwd?raw??", MISSING];
  yield ["/$%7bjndi:ldap://x%7d", MISSING];
  yield ["/%7b%7b7*7%7d%7d", MISSING];
  yield ["/.../.../canary.txt", MISSING];
}

function hex(...bytes: readonly number[]): string {
  return bytes.map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

/** Each character above ASCII as escapes of its UTF-8. */
function utf8(text: string): string {
  return text.replace(/[^\0-\x7f]/gu, encodeURIComponent);
}
