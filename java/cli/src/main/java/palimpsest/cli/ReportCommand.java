package palimpsest.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.synth.ReleaseReport;
import palimpsest.synth.Synthesis;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A release as a page to look at. */
@Command(
    name = "report",
    description =
        "Writes one HTML file that shows what a release promises and what is in it. Everything in it follows from the"
            + " released files, so it may be passed on with them.",
    footer = {"", "Example: palimpsest report synthetic-tickets --out synthetic-tickets.html"})
final class ReportCommand extends Verb {
  @Parameters(
      paramLabel = "FOLDER",
      description = "What synthesize wrote: records and privacy statement.")
  private Path folder;

  @Option(
      names = "--out",
      defaultValue = "report.html",
      paramLabel = "FILE",
      description = "The page (default report.html); it must not exist yet.")
  private Path out;

  @Override
  public Integer call() {
    Synthesis.refuseExisting(out);
    AtomicFiles.file(out, ReleaseReport.of(folder).html().getBytes(StandardCharsets.UTF_8));
    print(Map.of("report", out.toString()), out.toString());
    return ExitCode.DONE;
  }
}
