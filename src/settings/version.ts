/** Which server this is; the build writes it in. */
declare const BUILD_VERSION: string;
declare const BUILD_COMMIT: string;

export const VERSION: string = typeof BUILD_VERSION === "undefined" ? "dev" : BUILD_VERSION;
export const COMMIT: string = typeof BUILD_COMMIT === "undefined" ? "source" : BUILD_COMMIT;
