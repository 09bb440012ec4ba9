/** Interface to the place where uploads are kept. `folder-store.ts` keeps them in a folder, `s3/store.ts` in an object store. */
import type { ContentSink } from "../../http/message.ts";
import type { ErrorPages } from "../error-page.ts";
import type { DocumentRoot } from "../files/document-root.ts";
import type { Mount } from "../mount.ts";

/** An upload that is kept, durable under its name. */
export interface StoredUpload {
  /** Name within the store. */
  readonly name: string;
  /** Real path of the file. In an object store, the URL `s3://bucket/key`. */
  readonly path: string;
  /** Length of the content in bytes. */
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

/** Bytes of the place. Uploads of this process that are not kept yet may count or not. */
export interface Room {
  /** Returns the bytes of everything that the place holds, without uploads of this process that are not kept yet. */
  usedBytes(): Promise<number>;
  /** Returns the bytes that the place has room for. */
  freeBytes(): number;
}

export interface UploadStore {
  /** Description for the operator, such as the folder's path. */
  readonly place: string;
  /** Folder of the kept uploads, from which they can be served again; null if they are not files. */
  readonly root: DocumentRoot | null;
  /** Null if the place bounds itself, and refuses an upload for which it has no room. */
  readonly room: Room | null;
  /**
   * Begins an upload. `name` is one path segment that does not begin with a dot. The store never replaces an upload: if the name
   * is taken, `commit` rejects with EEXIST. If `name` is null, the store makes one that is not taken. `bytesMax` bounds the content
   * that follows; null: its length is not known.
   */
  create(name: string | null, bytesMax: number | null): UploadSink;
  /** Returns true if the name is taken, by an upload or by anything else; null if only the upload itself will find out. */
  has(name: string): boolean | null;
  /** Removes an upload, at once or soon. Does nothing if it is not there. */
  remove(name: string): void;
  /** Makes the mount that reads uploads back if they are not files: `root` is null then. */
  shown?(pages: ErrorPages): Mount;
}

/** A failure of the store that the operator has been told of. The message is a sentence for the client. */
export class StoreError extends Error {
  readonly status: number;
  /** Value of Retry-After, in seconds; null without one. */
  readonly retrySeconds: number | null;

  constructor(status: number, sentence: string, retrySeconds: number | null = null) {
    super(sentence);
    this.status = status;
    this.retrySeconds = retrySeconds;
  }
}
