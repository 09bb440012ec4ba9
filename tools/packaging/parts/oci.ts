/**
 * An image for Linux on both processors, as an archive in the layout of OCI (image-spec 1.1): `docker load`, `podman load` and `skopeo copy`
 * read it. It has the program, the C library, and a user; neither a shell nor a package manager.
 */

import { gzip } from "../formats/gzip.ts";
import { type PackedFile, tar, textFile } from "../formats/tar.ts";
import type { Libc } from "./libc.ts";
import { sha256 } from "./sums.ts";

/** Number of the user and its group, as in distroless images. */
const USER = 65532;

const MEDIA = "application/vnd.oci.image";

const SECOND_NS = 1_000_000_000;

export interface ImageOptions {
  readonly version: string;
  readonly commit: string;
  readonly dateMs: number;
  readonly parts: readonly { readonly cpu: "x64" | "arm64"; readonly executable: Uint8Array; readonly libc: Libc }[];
  /** LICENSE and the licences of bundled works. */
  readonly licences: readonly PackedFile[];
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly content: Uint8Array;
}

/** Returns the archive. */
export async function ociArchive(options: ImageOptions): Promise<Uint8Array<ArrayBuffer>> {
  const blobs: Blob[] = [];
  const manifests: object[] = [];
  for (const part of options.parts) {
    const files = layerFiles(options, part);
    const layerTar = tar(files, options.dateMs);
    const layer = blobOf("layer.v1.tar+gzip", await gzip(layerTar));
    const config = blobOf("config.v1+json", json(configOf(options, part, `sha256:${sha256(layerTar)}`)));
    const manifest = blobOf(
      "manifest.v1+json",
      json({
        schemaVersion: 2,
        mediaType: `${MEDIA}.manifest.v1+json`,
        config: descriptorOf(config),
        layers: [descriptorOf(layer)],
        annotations: annotationsOf(options, part.libc),
      }),
    );
    blobs.push(layer, config, manifest);
    manifests.push({ ...descriptorOf(manifest), platform: { os: "linux", architecture: architectureOf(part.cpu) } });
  }
  const index = blobOf("index.v1+json", json({ schemaVersion: 2, mediaType: `${MEDIA}.index.v1+json`, manifests }));
  const named = {
    ...descriptorOf(index),
    annotations: {
      "io.containerd.image.name": `httpserver:${options.version}`,
      "org.opencontainers.image.ref.name": options.version,
    },
  };
  return tar(
    [
      textFile("oci-layout", '{"imageLayoutVersion":"1.0.0"}'),
      {
        path: "index.json",
        content: json({ schemaVersion: 2, mediaType: `${MEDIA}.index.v1+json`, manifests: [named] }),
      },
      ...[...blobs, index].map(({ digest, content }) => ({ path: `blobs/${digest.replace(":", "/")}`, content })),
    ],
    options.dateMs,
  );
}

type Part = ImageOptions["parts"][number];

function layerFiles({ licences }: ImageOptions, { executable, libc }: Part): readonly PackedFile[] {
  return [
    { path: "usr/bin/httpserver", content: executable, mode: 0o755 },
    ...libc.files,
    ...licences.map((file) => ({ ...file, path: `usr/share/doc/httpserver/${file.path}` })),
    textFile("etc/passwd", `root:x:0:0:root:/:/sbin/nologin\nhttpserver:x:${USER}:${USER}::/srv:/sbin/nologin\n`),
    textFile("etc/group", `root:x:0:\nhttpserver:x:${USER}:\n`),
    textFile("etc/nsswitch.conf", "hosts: files dns\n"),
    // A container mounts on three of them, also where its root is read-only.
    ...["dev/", "proc/", "sys/", "srv/www/"].map((path) => ({ path, content: new Uint8Array(0) })),
    { path: "tmp/", content: new Uint8Array(0), mode: 0o1777 },
  ];
}

/** Returns the configuration. Docker reads the health check, which is no part of the specification. */
function configOf({ version, dateMs, commit }: ImageOptions, { cpu, libc }: Part, diffId: string): object {
  const created = new Date(dateMs).toISOString();
  return {
    created,
    architecture: architectureOf(cpu),
    os: "linux",
    config: {
      User: `${USER}:${USER}`,
      ExposedPorts: { "8080/tcp": {} },
      Env: ["PATH=/usr/bin", "HTTPSERVER_HOST=0.0.0.0", "HTTPSERVER_PORT=8080"],
      Entrypoint: ["/usr/bin/httpserver"],
      Cmd: ["/srv/www"],
      WorkingDir: "/srv",
      StopSignal: "SIGTERM",
      Labels: {
        "org.opencontainers.image.title": "httpserver",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.licenses": "MIT",
        "httpserver.libc": libc.origin,
      },
      Healthcheck: {
        Test: ["CMD", "/usr/bin/httpserver", "probe", "--timeout", "800ms"],
        Interval: 10 * SECOND_NS,
        Timeout: SECOND_NS,
        StartPeriod: 5 * SECOND_NS,
        StartInterval: SECOND_NS / 10,
        Retries: 3,
      },
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [{ created, created_by: `httpserver ${version}, ${libc.origin}` }],
  };
}

function annotationsOf({ version, dateMs }: ImageOptions, { origin }: Libc): object {
  return {
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.created": new Date(dateMs).toISOString(),
    "httpserver.libc": origin,
  };
}

function architectureOf(cpu: Part["cpu"]): string {
  return cpu === "x64" ? "amd64" : "arm64";
}

function blobOf(kind: string, content: Uint8Array): Blob {
  return { mediaType: `${MEDIA}.${kind}`, digest: `sha256:${sha256(content)}`, size: content.length, content };
}

function descriptorOf({ mediaType, digest, size }: Blob): object {
  return { mediaType, digest, size };
}

function json(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
