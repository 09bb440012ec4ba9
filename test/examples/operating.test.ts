/** Examples for operators: HAProxy, Kubernetes and systemd, each checked by its own tool, and their flags by the command line. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Deployment, type IDeployment } from "kubernetes-models/apps/v1/Deployment";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { PersistentVolumeClaim } from "kubernetes-models/v1/PersistentVolumeClaim";
import { Service } from "kubernetes-models/v1/Service";
import { parseServe } from "../../src/cli/command-line.ts";
import type { Settings } from "../../src/settings/resolve.ts";
import { type Binary, BUILD_MS, buildBinary, Program } from "../support/binary.ts";
import { needs } from "../support/needs.ts";
import { TOOL_TEST_MS } from "../support/project.ts";
import { statusOf } from "../support/raw-client.ts";

const EXAMPLES = join(import.meta.dir, "..", "..", "examples");

const folder = mkdtempSync(join(tmpdir(), "operating-"));
let binary: Binary;

beforeAll(async () => {
  binary = await buildBinary();
}, BUILD_MS);

afterAll(() => {
  binary[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

function read(...path: readonly string[]): string {
  return readFileSync(join(EXAMPLES, ...path), "utf8");
}

/** Returns the settings that these words of a command line stand for. Throws with the line that refuses them. */
function settingsOf(words: readonly string[]): Settings {
  const command = parseServe(words, {});
  if (command.kind !== "serve") throw new Error(JSON.stringify(command));
  return command.options;
}

describe("haproxy", () => {
  needs("haproxy").test("takes the configuration without a word", () => {
    const { exitCode, stdout, stderr } = Bun.spawnSync([
      "haproxy",
      "-c",
      "-q",
      "-f",
      join(EXAMPLES, "haproxy/haproxy.cfg"),
    ]);
    expect([exitCode, stdout.toString(), stderr.toString()]).toEqual([0, "", ""]);
  });

  test("waits less for a connection than the instances, and finds out within their delay", () => {
    const [, command = ""] = /^\.\/httpserver (.+)$/m.exec(read("haproxy/README.md")) ?? [];
    const settings = settingsOf(command.split(" "));
    const config = read("haproxy/haproxy.cfg");
    const msOf = (pattern: RegExp) => {
      const [, count = "", unit] = pattern.exec(config) ?? [];
      return Number(count) * (unit === "s" ? 1000 : 1);
    };
    expect(msOf(/http-keep-alive (\d+)(s)/)).toBeLessThan(settings.keepAliveTimeoutMs);
    expect(msOf(/timeout server (\d+)(s)/)).toBeGreaterThan(settings.stallTimeoutMs);
    expect(msOf(/ inter (\d+)(ms)/) + msOf(/fastinter (\d+)(ms)/)).toBeLessThan(settings.drainDelayMs);
    expect(settings.trustedProxies).toEqual(["127.0.0.1"]);
    expect(config).toContain(`server a 127.0.0.1:${settings.port}`);
  });
});

describe("kubernetes", () => {
  const documents = Bun.YAML.parse(read("kubernetes/httpserver.yaml")) as { kind: string }[];
  const deployment = documents[0] as unknown as IDeployment;
  const pod = deployment.spec?.template.spec;
  const container = pod?.containers[0];
  const args = container?.args ?? [];

  test("each object fits the schema of its kind", () => {
    const kinds = { Deployment, Service, PersistentVolumeClaim, PodDisruptionBudget };
    expect(documents.map(({ kind }) => kind).sort()).toEqual(Object.keys(kinds).sort());
    for (const object of documents) new kinds[object.kind as keyof typeof kinds](object as never).validate();
    const broken = { ...deployment, spec: { ...deployment.spec, replicas: "three" } };
    expect(() => new Deployment(broken as never).validate()).toThrow("replicas");
  });

  test("a pod has the time that its wait and its drain take", () => {
    const wait = container?.lifecycle?.preStop?.sleep?.seconds ?? 0;
    const settings = settingsOf(args);
    expect(wait).toBeGreaterThan(0);
    expect(1000 * (pod?.terminationGracePeriodSeconds ?? 0)).toBeGreaterThan(1000 * wait + settings.shutdownTimeoutMs);
    const { periodSeconds = 0, failureThreshold = 0 } = container?.readinessProbe ?? {};
    expect(wait).toBeGreaterThanOrEqual(periodSeconds * failureThreshold);
  });

  test("nothing in the container can be written but the uploads, by a user without rights", () => {
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    expect([pod?.securityContext?.runAsNonRoot, pod?.securityContext?.runAsUser]).toEqual([true, 65_532]);
    expect(container?.volumeMounts?.map(({ mountPath }) => mountPath)).toEqual([settingsOf(args).uploads]);
    expect(container?.resources?.requests).toBeDefined();
  });

  test(
    "its arguments start a server that is ready for a kubelet, which asks by the address of the pod",
    async () => {
      const words = args.map((word) =>
        word
          .replace(/^--port=.*/, "--port=0")
          .replace("=/srv/www", `=${folder}`)
          .replace("=/srv/uploads", `=${folder}-up`),
      );
      await using program = await Program.start([binary.path, ...words], { cwd: folder });
      const { path = "" } = container?.readinessProbe?.httpGet ?? {};
      expect(container?.startupProbe?.httpGet?.path).toBe(path);
      const status = await statusOf(`http://127.0.0.1:${program.port}${path}`, "Host: 10.42.0.7:8080\r\n");
      expect(status).toBe(200);
    },
    TOOL_TEST_MS,
  );
});

describe("systemd", () => {
  const unit = read("systemd/httpserver.service");
  const [, line = ""] = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(unit) ?? [];
  const [program = "", ...words] = line.replaceAll("\\\n", " ").trim().split(/\s+/);

  test("starts the server with flags that it knows, in folders that it may write to, and waits for its end", () => {
    const settings = settingsOf(words);
    expect([settings.port, settings.host, settings.status]).toEqual([8080, "0.0.0.0", true]);
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
    expect(1000 * seconds).toBeGreaterThan(settings.shutdownTimeoutMs + settings.drainDelayMs);
    expect(settings.uploads).toStartWith(`/var/lib/${/^StateDirectory=(.*)$/m.exec(unit)?.[1]}/`);
    expect(settings.logFile).toStartWith(`/var/log/${/^LogsDirectory=(.*)$/m.exec(unit)?.[1]}/`);
  });

  needs("systemd-analyze").test("is a unit that systemd understands", () => {
    const path = join(folder, "httpserver.service");
    writeFileSync(path, unit.replace(program, binary.path));
    const { exitCode, stderr } = Bun.spawnSync(["systemd-analyze", "verify", path]);
    expect([exitCode, stderr.toString()]).toEqual([0, ""]);
    writeFileSync(path, unit.replace("ProtectSystem", "ProtectsSystem"));
    expect(Bun.spawnSync(["systemd-analyze", "verify", path]).stderr.toString()).toContain("ProtectsSystem");
  });
});
