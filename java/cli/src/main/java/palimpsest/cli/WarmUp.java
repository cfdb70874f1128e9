package palimpsest.cli;

import java.io.PrintWriter;
import java.io.Writer;

/**
 * Run once by the launcher after a build, so that Java's start-up cache holds what the commands
 * load.
 */
final class WarmUp {
  private WarmUp() {}

  /** Runs commands that touch no file and drops what they print. */
  public static void main(String[] args) {
    PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
    Main.run(nowhere, nowhere, "--help");
    Main.run(nowhere, nowhere, "epsilon", "--help");
    Main.run(nowhere, nowhere, "check", "--help");
    String settings = "epsilon --rate 0.01 --noise 1 --steps 10 --delta 1e-5";
    Main.run(nowhere, nowhere, settings.split(" "));
    Main.run(nowhere, nowhere, (settings + " --json").split(" "));
  }
}
