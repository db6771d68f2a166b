# Builds dossierd from the sources of a release. packaging/reproducible fills in what is between
# two @.
class Dossierd < Formula
  desc "Per-user daemon that keeps the dossier of every mission"
  homepage "@REPOSITORY@"
  url "@REPOSITORY@/releases/download/v@VERSION@/dossierd-@VERSION@-source.tar.gz"
  sha256 "@SHA256@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"dossierd", "completions", shells: [:bash, :zsh, :fish])
    system bin/"dossierd", "man", buildpath/"man"
    man1.install Dir["man/*.1"]
  end

  service do
    # The daemon bounds its log itself; what comes before goes to the other one.
    run [opt_bin/"dossierd", "run", "--log-file", var/"log/dossierd.log"]
    keep_alive crashed: true
    log_path var/"log/dossierd.err.log"
    error_log_path var/"log/dossierd.err.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/dossierd --version")
    (testpath/"kitty-specs/001-a").mkpath
    (testpath/"kitty-specs/001-a/spec.md").write "# A\n"
    ENV["DOSSIERD_HOME"] = testpath/"home"
    assert_match "001-a", shell_output("#{bin}/dossierd scan --json #{testpath}")
  end
end
