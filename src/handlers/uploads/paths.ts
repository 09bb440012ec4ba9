/** Paths of uploads: each is written here and nowhere else. */

/** Uploads are posted to this path; its responses are JSON for every client. */
export const UPLOAD_PATH = "/upload";

/** Uploads are named and shown below this path. */
export const UPLOADS_PATH = "/uploads";

/** True for the folder of uploads and everything below it. */
export function isBelowUploads(path: string): boolean {
  return path === UPLOADS_PATH || path.startsWith(`${UPLOADS_PATH}/`);
}
