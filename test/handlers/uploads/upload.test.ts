import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { link, mkdir, open, rename, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { FolderError } from "../../../src/handlers/files/document-root.ts";
import { openFolderStore, type UploadDisk } from "../../../src/handlers/uploads/folder-store.ts";
import { answerOf, ask, makeRequest, makeSite, NOW_MS, post } from "../../support/site.ts";
import { turns, until } from "../../support/waiting.ts";

const DISK: UploadDisk = { mkdir, open, link, rename, unlink };

/** An error as the system gives it. */
function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** The disk, but the method of every file handle that is named fails. */
function failingHandle(method: "writeFile" | "sync", code: string): UploadDisk {
  return {
    ...DISK,
    open: async (...given) => {
      const handle = await open(...given);
      handle[method] = () => Promise.reject(failure(code));
      return handle;
    },
  };
}

test("a valid upload is 201, and the file holds the bytes as sent", async () => {
  using www = makeSite();
  const content = '\ufeff{ "a":  [1, 2.50, "é"] }\n';
  const { status, fields, text } = await post(www, content);
  const report = JSON.parse(text);
  expect([status, fields["content-type"]]).toEqual([201, "application/json"]);
  expect(report).toEqual({
    status: "success",
    message: "File created successfully",
    filepath: expect.stringMatching(/^\/uploads\/upload_\d{8}_\d{6}_[0-9a-z]{6}\.json$/),
    bytes: Buffer.byteLength(content),
    sha256: createHash("sha256").update(content).digest("hex"),
  });
  const now = new Date(NOW_MS);
  expect(report.filepath).toContain(`_2030${String(now.getMonth() + 1).padStart(2, "0")}`);
  const names = readdirSync(www.uploads);
  expect(names.map((name) => `/uploads/${name}`)).toEqual([report.filepath]);
  expect(readFileSync(join(www.uploads, names[0] as string))).toEqual(Buffer.from(content));
  expect(fields).not.toHaveProperty("location");
});

test("Location is given where the file can be read, and leads to it", async () => {
  using www = makeSite({ serveUploads: true });
  const { fields } = await post(www, "[1]");
  expect((await ask(www, `GET ${fields["location"]}`)).text).toBe("[1]");
});

test("uploads at the same moment all get their own file", async () => {
  using www = makeSite();
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => post(www, String(i))));
  expect(new Set(answers.map((answer) => JSON.parse(answer.text).filepath)).size).toBe(50);
  expect(readdirSync(www.uploads)).toHaveLength(50);
});

test("the head alone is refused: no length, other types, codings, too long", () => {
  using www = makeSite({ maxBodyBytes: 1000 });
  const good = { "Content-Type": "application/json", "Content-Length": "2" };
  const cases: [fields: Record<string, string>, status: number | null][] = [
    [good, null],
    [{ "Content-Type": "application/json" }, 411],
    [{ "Content-Type": "application/json", "Transfer-Encoding": "chunked" }, null],
    [{ "Content-Length": "2" }, 415],
    [{ ...good, "Content-Type": "text/json" }, 415],
    [{ ...good, "Content-Type": "application/problem+json" }, null],
    [{ ...good, "Content-Encoding": "gzip" }, 415],
    [{ ...good, "Content-Encoding": "identity" }, null],
    [{ ...good, "Content-Length": "1000" }, null],
    [{ ...good, "Content-Length": "1001" }, 413],
  ];
  for (const [fields, status] of cases) {
    const { refusal, content } = www.handler.admit(makeRequest("POST /upload", fields));
    expect([fields, refusal?.status ?? null]).toEqual([fields, status]);
    expect(content).toEqual(status === null ? { collectMax: 1000 } : "skip");
    if (refusal !== null) expect(JSON.parse(answerOf(refusal).text).code).toBe(status);
  }
});

test("content that is not JSON in UTF-8 is 400 as JSON, and leaves nothing", async () => {
  using www = makeSite();
  const cases: (string | Uint8Array)[] = [
    "",
    "{",
    "{}{}",
    "'a'",
    "NaN",
    "\ufeff",
    new Uint8Array([0x22, 0xff, 0x22]),
    new Uint8Array([0x22, 0xc0, 0x80, 0x22]),
    '{"a":1,}',
    "\u0000",
  ];
  for (const content of cases) {
    const { status, text } = await post(www, content);
    expect([content, status]).toEqual([content, 400]);
    expect(JSON.parse(text)).toMatchObject({ status: "error", code: 400 });
  }
  expect(readdirSync(www.uploads)).toEqual([]);
  for (const content of ["0", '"x"', "null", " [] "]) expect((await post(www, content)).status).toBe(201);
});

test("what is wrong with the content is said: not UTF-8, not JSON, nested too deeply", async () => {
  using www = makeSite({ maxBodyBytes: 10_000_000 });
  const cases: [content: Uint8Array, words: string][] = [
    [new Uint8Array([0x22, 0xff, 0x22]), "UTF-8"],
    [new Uint8Array([0x7b]), "valid JSON"],
    [new Uint8Array(10_000_000).fill(0x5b), "more than 1000 arrays and objects"],
  ];
  for (const [content, words] of cases) {
    const { status, text } = await post(www, content);
    expect(status).toBe(400);
    expect(text).toContain(words);
  }
  expect(readdirSync(www.uploads)).toEqual([]);
});

test("a full disk is 507, every other failure 500 with a line for the operator; neither leaves a file", async () => {
  const cases: [disk: UploadDisk, status: number][] = [
    [failingHandle("writeFile", "ENOSPC"), 507],
    [failingHandle("writeFile", "EDQUOT"), 507],
    [failingHandle("sync", "ENOSPC"), 507],
    [failingHandle("sync", "EIO"), 500],
    [{ ...DISK, open: () => Promise.reject(failure("EROFS")) }, 500],
    [{ ...DISK, open: () => Promise.reject(failure("EMFILE")) }, 500],
    [{ ...DISK, link: () => Promise.reject(failure("EIO")) }, 500],
    [{ ...DISK, link: () => Promise.reject(failure("EEXIST")) }, 500],
    [{ ...DISK, link: () => Promise.reject(failure("EPERM")), rename: () => Promise.reject(failure("EIO")) }, 500],
  ];
  for (const [uploadDisk, status] of cases) {
    using www = makeSite({}, { uploadDisk });
    const answer = await post(www, "{}");
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text).code).toBe(status);
    expect(www.lines).toHaveLength(1);
    expect(readdirSync(www.uploads)).toEqual([]);
  }
});

test("the content is flushed before it gets its name, and the name before it is answered", async () => {
  const steps: string[] = [];
  const uploadDisk: UploadDisk = {
    ...DISK,
    open: async (...given) => {
      const handle = await open(...given);
      const sync = handle.sync.bind(handle);
      handle.sync = () => {
        steps.push(String(given[0]).endsWith(".tmp") ? "flush file" : "flush folder");
        return sync();
      };
      return handle;
    },
    link: (from, to) => {
      steps.push("link");
      return link(from, to);
    },
  };
  using www = makeSite({}, { uploadDisk });
  expect((await post(www, "{}")).status).toBe(201);
  expect(steps).toEqual(["flush file", "link", "flush folder"]);
});

test("a folder that cannot be flushed makes the upload fail, and its file goes", async () => {
  let opened = 0;
  const uploadDisk: UploadDisk = {
    ...DISK,
    open: async (...given) => {
      const handle = await open(...given);
      if (++opened === 2) handle.sync = () => Promise.reject(failure("EIO"));
      return handle;
    },
  };
  using www = makeSite({}, { uploadDisk });
  expect((await post(www, "{}")).status).toBe(500);
  expect(opened).toBe(2);
  expect(readdirSync(www.uploads)).toEqual([]);
});

test("the temporary name is gone when the answer comes, however slowly it goes", async () => {
  const asked = Promise.withResolvers<void>();
  const allowed = Promise.withResolvers<void>();
  const uploadDisk: UploadDisk = {
    ...DISK,
    unlink: async (path) => {
      asked.resolve();
      await allowed.promise;
      await unlink(path);
    },
  };
  using www = makeSite({}, { uploadDisk });
  let isAnswered = false;
  const answer = post(www, "{}").finally(() => {
    isAnswered = true;
  });
  await asked.promise;
  await turns(20);
  expect(isAnswered).toBe(false);
  allowed.resolve();
  expect((await answer).status).toBe(201);
  expect(readdirSync(www.uploads)).toEqual([expect.stringMatching(/^upload_.*json$/)]);
});

/** A disk on which each flush of the folder waits until the test lets it end, with `code` as its error or without one. */
function heldFolderFlushes() {
  const flushes: { end(code?: string): void }[] = [];
  const counts = { links: 0 };
  const disk: UploadDisk = {
    ...DISK,
    open: async (...given) => {
      const handle = await open(...given);
      if (String(given[0]).endsWith(".tmp")) return handle;
      handle.sync = () =>
        new Promise((resolve, reject) => {
          flushes.push({ end: (code) => (code === undefined ? resolve() : reject(failure(code))) });
        });
      return handle;
    },
    link: async (from, to) => {
      await link(from, to);
      counts.links++;
    },
  };
  return { disk, flushes, counts };
}

test("uploads that come while the folder is flushed share the next flush, for that one began before their names", async () => {
  const { disk, flushes, counts } = heldFolderFlushes();
  using www = makeSite({}, { uploadDisk: disk });
  const answered: number[] = [];
  const send = async (i: number) => {
    const { status } = await post(www, String(i));
    answered.push(i);
    return status;
  };
  const first = send(0);
  await until(() => flushes.length === 1, "flush 1");
  const others = [send(1), send(2), send(3)];
  await until(() => counts.links === 4, "4 names");
  await turns(20);
  expect([flushes.length, answered]).toEqual([1, []]);

  flushes[0]?.end();
  expect(await first).toBe(201);
  await until(() => flushes.length === 2, "flush 2");
  expect(answered).toEqual([0]);

  flushes[1]?.end();
  expect(await Promise.all(others)).toEqual([201, 201, 201]);
  expect(flushes).toHaveLength(2);
  expect(readdirSync(www.uploads)).toHaveLength(4);

  const later = send(4);
  await until(() => flushes.length === 3, "flush 3");
  flushes[2]?.end();
  expect(await later).toBe(201);
});

test("a flush that fails fails those who waited for it, and nobody else", async () => {
  const { disk, flushes, counts } = heldFolderFlushes();
  using www = makeSite({}, { uploadDisk: disk });
  const first = post(www, "0");
  await until(() => flushes.length === 1, "flush 1");
  const second = [post(www, "1"), post(www, "2")];
  await until(() => counts.links === 3, "3 names");
  flushes[0]?.end();
  await until(() => flushes.length === 2, "flush 2");
  const third = post(www, "3");
  await until(() => counts.links === 4, "4 names");
  flushes[1]?.end("EIO");
  await until(() => flushes.length === 3, "flush 3");
  flushes[2]?.end();
  const statuses = (await Promise.all([first, ...second, third])).map(({ status }) => status);
  expect(statuses).toEqual([201, 500, 500, 201]);
  const kept = readdirSync(www.uploads).map((name) => readFileSync(join(www.uploads, name), "utf8"));
  expect(kept.sort()).toEqual(["0", "3"]);
});

test("a folder that is put in the place of the old one is flushed from then on", async () => {
  const flushed: number[] = [];
  const uploadDisk: UploadDisk = {
    ...DISK,
    open: async (...given) => {
      const handle = await open(...given);
      if (!String(given[0]).endsWith(".tmp")) flushed.push((await handle.stat()).ino);
      return handle;
    },
  };
  using www = makeSite({}, { uploadDisk });
  await post(www, "1");
  renameSync(www.uploads, `${www.uploads}-old`);
  mkdirSync(www.uploads);
  expect((await post(www, "2")).status).toBe(201);
  expect(flushed).toEqual([statSync(`${www.uploads}-old`).ino, statSync(www.uploads).ino]);
});

test("a name that is taken is never overwritten: a free one is found", async () => {
  const taken: string[] = [];
  const uploadDisk: UploadDisk = {
    ...DISK,
    link: async (from, to) => {
      if (taken.length < 3) {
        taken.push(join(www.uploads, basename(String(to))));
        writeFileSync(String(to), "theirs", { flag: "wx" });
      }
      return link(from, to);
    },
  };
  using www = makeSite({}, { uploadDisk });
  expect((await post(www, '"ours"')).status).toBe(201);
  for (const path of taken) expect(readFileSync(path, "utf8")).toBe("theirs");
  expect(readdirSync(www.uploads)).toHaveLength(4);
});

test("without hard links the file still comes whole, and alone", async () => {
  for (const code of ["EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK"]) {
    using www = makeSite({}, { uploadDisk: { ...DISK, link: () => Promise.reject(failure(code)) } });
    expect((await post(www, '"x"')).status).toBe(201);
    const names = readdirSync(www.uploads);
    expect(names).toHaveLength(1);
    expect(readFileSync(join(www.uploads, names[0] as string), "utf8")).toBe('"x"');
  }
});

test("an uploads folder that goes away while the server runs is 500", async () => {
  using www = makeSite();
  rmSync(www.uploads, { recursive: true });
  expect((await post(www, "{}")).status).toBe(500);
});

const opened = (folder: string, now = () => NOW_MS) => openFolderStore({ folder, flag: "--uploads", now });

test("an uploads folder that cannot be used is an error with its name and flag, and leaves no trace", () => {
  const folder = mkdtempSync(join(tmpdir(), "uploads-"));
  try {
    expect(opened(join(folder, "a/b"))).not.toBeInstanceOf(FolderError);
    expect(readdirSync(folder)).toEqual([]);
    writeFileSync(join(folder, "file"), "");
    symlinkSync("nowhere", join(folder, "link"));
    for (const bad of [join(folder, "file"), join(folder, "file/x"), join(folder, "link"), "/proc/uploads"]) {
      const error = opened(bad);
      expect(error).toBeInstanceOf(FolderError);
      expect((error as FolderError).message).toContain(bad);
      expect((error as FolderError).message).toContain("--uploads");
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what a killed server left is swept, what a running one writes is not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "uploads-"));
  const script = `
    import { openFolderStore } from ${JSON.stringify(join(import.meta.dir, "../../../src/handlers/uploads/folder-store.ts"))};
    import { link, open, rename, unlink } from "node:fs/promises";
    // Stops between the write and the link, with the temporary file in place.
    const disk = { open, rename, unlink, link: () => { console.log("written"); return new Promise(() => setInterval(() => {}, 1000)); } };
    const sink = openFolderStore({ folder: ${JSON.stringify(folder)}, flag: "--uploads", now: Date.now, disk }).create(null);
    sink.write(new TextEncoder().encode("{}"));
    sink.ended();
    await sink.commit();
  `;
  const writer = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  try {
    const { value } = await writer.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toBe("written\n");
    const foreignNew = join(folder, ".upload-0123456789ab-1-1-00ff.tmp");
    const foreignOld = join(folder, ".upload-0123456789ab-1-1-00fe.tmp");
    const notOurs = join(folder, ".other.tmp");
    for (const path of [foreignNew, foreignOld, notOurs]) writeFileSync(path, "");
    const twoHoursAgo = Date.now() / 1000 - 7200;
    for (const path of [foreignOld, notOurs]) utimesSync(path, twoHoursAgo, twoHoursAgo);

    opened(folder, Date.now);
    expect([foreignNew, foreignOld, notOurs].map((path) => existsSync(path))).toEqual([true, false, true]);
    expect(readdirSync(folder)).toHaveLength(3);

    writer.kill("SIGKILL");
    await writer.exited;
    opened(folder, Date.now);
    expect(readdirSync(folder).sort()).toEqual([".other.tmp", ".upload-0123456789ab-1-1-00ff.tmp"]);
  } finally {
    writer.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
});
