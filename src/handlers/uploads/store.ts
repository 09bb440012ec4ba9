/** Interface to the place where uploads are kept. `folder-store.ts` keeps them in a folder. */
import type { ContentSink } from "../../http/message.ts";
import type { DocumentRoot } from "../files/document-root.ts";

/** An upload that is kept, durable under its name. */
export interface StoredUpload {
  /** Name within the store. */
  readonly name: string;
  /** Real path of the file. */
  readonly path: string;
  readonly bytes: number;
  /** Digest of the content, in hexadecimal digits. */
  readonly sha256: string;
  /** Time when it had become durable, in milliseconds since 1970. */
  readonly receivedMs: number;
}

/**
 * Takes the content of one upload. It holds nothing until its first piece or its end. After that, either `commit` or `abort` is
 * called.
 */
export interface UploadSink extends ContentSink {
  /**
   * Resolves once the content has ended and is durable under its name. Rejects with the store's error as soon as that is known,
   * or with the reason of `failed`, and then nothing is kept. May be called before the content has ended.
   */
  commit(): Promise<StoredUpload>;
  /** Keeps nothing. Does nothing after a `commit` that has resolved. */
  abort(): void;
}

export interface UploadStore {
  /** Description for the operator, such as the folder's path. */
  readonly place: string;
  /** Folder of the kept uploads, from which they can be served again; null if they are not files. */
  readonly root: DocumentRoot | null;
  /**
   * Begins an upload. `name` is one path segment that does not begin with a dot. The store never replaces an upload: if the name
   * is taken, `commit` rejects with EEXIST. If `name` is null, the store makes one that is not taken.
   */
  create(name: string | null): UploadSink;
  /** Returns true if the name is taken, by an upload or by anything else. */
  has(name: string): boolean;
  /** Returns the bytes of everything that the place holds, without uploads of this process that are not kept yet. */
  usedBytes(): Promise<number>;
  /** Returns the bytes that the place has room for. */
  freeBytes(): number;
  /** Removes an upload. Does nothing if it is not there. */
  remove(name: string): void;
}
