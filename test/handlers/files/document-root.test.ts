import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  closeDescriptor,
  DocumentRoot,
  FolderError,
  type OpenedFile,
  OpenFailure,
  openDocumentRoot,
} from "../../../src/handlers/files/document-root.ts";
import { usable } from "../../support/site.ts";

function withFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "root-"));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pathOf(opened: OpenedFile | OpenFailure): string {
  if (typeof opened === "number") return OpenFailure[opened] ?? "";
  closeDescriptor(opened.descriptor);
  return opened.path;
}

test("a root that is missing or no folder is an error that names it and the flag", () => {
  withFolder((folder) => {
    writeFileSync(join(folder, "file"), "");
    for (const bad of [join(folder, "none"), join(folder, "file")]) {
      const error = openDocumentRoot(bad, "--root");
      expect(error).toBeInstanceOf(FolderError);
      expect((error as FolderError).message).toContain(bad);
      expect((error as FolderError).message).toContain("--root");
      expect((error as FolderError).message).not.toContain("\n");
    }
  });
});

test("the root may be a link itself; it is followed once, at the start", () => {
  withFolder((folder) => {
    for (const name of ["one", "two"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "a"), "");
    }
    symlinkSync("one", join(folder, "current"));
    const root = usable(openDocumentRoot(join(folder, "current"), "--root"));
    expect(pathOf(root.open("/a"))).toBe(join(root.realPath, "a"));
    rmSync(join(folder, "current"));
    symlinkSync("two", join(folder, "current"));
    expect(pathOf(root.open("/a"))).toEndWith("/one/a");
  });
});

test("inside is decided by whole components", () => {
  withFolder((folder) => {
    for (const name of ["www", "www-backup", "ww"]) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "a"), "");
      symlinkSync(join(folder, name, "a"), join(folder, "www", `to-${name}`));
    }
    const root = usable(openDocumentRoot(join(folder, "www"), "--root"));
    expect(pathOf(root.open("/to-www"))).toEndWith("/www/a");
    expect(pathOf(root.open("/to-www-backup"))).toBe("Outside");
    expect(pathOf(root.open("/to-ww"))).toBe("Outside");
    expect(pathOf(root.open(""))).toBe(root.realPath);
  });
});

test("the whole file system can be a root", () => {
  const root = new DocumentRoot("/");
  expect(pathOf(root.open("/proc"))).toBe("/proc");
});

test("a folder that is swapped for a link while it is read never lets the outside through", () => {
  withFolder((folder) => {
    for (const path of ["www/dir", "out"]) mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, "www/dir/a"), "");
    writeFileSync(join(folder, "out/a"), "");
    symlinkSync(join(folder, "out"), join(folder, "www/evil"));
    const root = usable(openDocumentRoot(join(folder, "www"), "--root"));
    for (let i = 0; i < 50; i++) {
      renameSync(join(folder, "www/dir"), join(folder, "www/spare"));
      renameSync(join(folder, "www/evil"), join(folder, "www/dir"));
      expect(pathOf(root.open("/dir/a"))).toBe("Outside");
      renameSync(join(folder, "www/dir"), join(folder, "www/evil"));
      renameSync(join(folder, "www/spare"), join(folder, "www/dir"));
      expect(pathOf(root.open("/dir/a"))).toEndWith("/www/dir/a");
    }
  });
});
