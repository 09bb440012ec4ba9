/** The Homebrew formula of a release, with the checksum of each archive. Pure. */
import { TARGETS, type Target } from "../../../src/client/targets.ts";
import { archiveOf } from "../release-targets.ts";

/** Returns the formula. `url` is the address of the release's files, without a slash at its end. */
export function renderFormula(version: string, url: string, sha256Of: (name: string) => string): string {
  const source = (target: Target, indent: string) => {
    const name = archiveOf(target, version);
    return `${indent}url "${url}/${name}"\n${indent}sha256 "${sha256Of(name)}"`;
  };
  const system = (os: "darwin" | "linux") =>
    TARGETS.filter((target) => target.os === os && target.libc !== "musl")
      .map((target) => `    on_${target.cpu === "x64" ? "intel" : "arm"} do\n${source(target, "      ")}\n    end`)
      .join("\n");
  return `class Httpserver < Formula
  desc "Serves a folder over HTTP, takes uploads, and fails on demand in tests"
  homepage "${url.replace(/\/releases\/download\/.*$/, "")}"
  version "${version}"
  license "MIT"

  on_macos do
${system("darwin")}
  end

  on_linux do
${system("linux")}
  end

  def install
    bin.install "httpserver"
    man1.install "man/httpserver.1"
    bash_completion.install "completions/httpserver.bash" => "httpserver"
    zsh_completion.install "completions/_httpserver"
    fish_completion.install "completions/httpserver.fish"
    doc.install Dir["docs/*"], "README.md", "CHANGELOG.md", "SECURITY.md"
  end

  test do
    (testpath/"index.html").write "<!doctype html><title>brewed</title>"
    assert_match "brewed", shell_output("#{bin}/httpserver run #{testpath} -- sh -c 'curl -s $HTTPSERVER_URL/'")
  end
end
`;
}
