/** Flags of other file servers, which people bring along, and the flags of this one that do the same. */

/** Flags of other servers by the advice for them. */
const ADVICE: readonly (readonly [advice: string, flags: string])[] = [
  [
    "use --root FOLDER, or the folder as the first word: httpserver FOLDER",
    "--dir --directory --folder --path --public --root-dir --document-root --docroot --www -d -r",
  ],
  [
    "use --host ADDRESS",
    "--bind --address --addr --ip --hostname --interface --interfaces --listen-address -b -a -i -H",
  ],
  ["use --port PORT and --host ADDRESS", "--listen --server-port -l"],
  ["use --spa", "--single --single-page --history --fallback --rewrite --try-file -s"],
  ["use --version", "-V"],
  ["use --quiet", "--silent --no-request-logging --no-log --quiet-mode -L"],
  ["use --verbose", "--debug --log-level --trace"],
  [
    "use --listing",
    "--autoindex --auto-index --dirlist --dir-list --directory-listing --browse --list --indexes --show-dir",
  ],
  [
    "use --no-listing",
    "--no-dirlist --no-directory-listing --no-autoindex --disable-indexing --no-dir --disable-dir-list",
  ],
  ["use --index NAME", "--index-file --default-file --index-files"],
  ["use --compress, or --precompressed for files beside the originals", "--gzip --brotli --zip --compression -g -C"],
  ["use --cache-control VALUE", "--cache --max-age --maxage --cache-time -c"],
  ["use --basic-auth USER", "--auth --user --username --password --credentials"],
  ["use --tls-cert FILE and --tls-key FILE, or --tls-self-signed", "--tls --ssl --https -S"],
  ["use --tls-cert FILE", "--cert --ssl-cert --certificate --ssl-certificate"],
  ["use --tls-key FILE", "--key --ssl-key --ssl-certificate-key -K"],
  ["use --tls-passphrase-file FILE", "--pass --ssl-pass --ssl-passphrase"],
  ["use --uploads FOLDER --upload-any", "--upload --upload-dir --upload-files --allow-upload -u"],
  ["use --error-page 404=FILE", "--page404 --page-404 --error-404 --404 --not-found"],
  ["use --proxy '/** URL'", "-P --proxy-url --proxy-pass --upstream"],
  ["use --threads N", "--concurrency -w -j"],
  ["this server opens no browser; the line of the start names the address", "--open --browser --open-browser -o"],
];

/** The advice by the flag. */
export const FOREIGN_FLAGS: ReadonlyMap<string, string> = new Map(
  ADVICE.flatMap(([advice, flags]) => flags.split(" ").map((flag) => [flag, advice] as const)),
);

/** Returns the advice for a flag of another server, with its dashes, or null. */
export function foreignAdvice(flag: string): string | null {
  return FOREIGN_FLAGS.get(flag) ?? null;
}
