package palimpsest.cli;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import palimpsest.engine.model.Role;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionStrategy;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;

/**
 * The command line: finds the command, runs it, and turns every error into one line and an exit
 * code.
 */
@Command(
    name = "palimpsest",
    description =
        "Private labelled text in, synthetic text with a differential-privacy guarantee out.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      DemoCommand.class,
      SynthesizeCommand.class,
      TrainCommand.class,
      SampleCommand.class,
      AuditCommand.class,
      EpsilonCommand.class,
      CalibrateCommand.class,
      TrialsCommand.class,
      CheckCommand.class,
      EvaluateCommand.class,
      ReportCommand.class,
      PretrainCommand.class,
      LedgerCommand.class,
      ModelCommand.class,
      BenchCommand.class,
      DoctorCommand.class,
    },
    footer = {
      "",
      "`palimpsest test` runs everything that can be tested on this machine.",
      "Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 refused for privacy.",
      "Example: palimpsest epsilon --rate 0.01 --noise 1.0 --steps 1000 --delta 1e-5"
    })
final class Main implements Runnable {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "no command given");
  }

  /** The command line's entry point. */
  public static void main(String[] args) {
    PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
    PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
    System.exit(run(out, err, Main::executeGuarded, args));
  }

  /** Runs one command and returns its exit code, whatever flags this virtual machine has. */
  static int run(PrintWriter out, PrintWriter err, String... args) {
    return run(out, err, new RunLast(), args);
  }

  private static int run(
      PrintWriter out, PrintWriter err, IExecutionStrategy strategy, String... args) {
    CommandLine commandLine = new CommandLine(new Main());
    try {
      return commandLine
          .setOut(out)
          .setErr(err)
          .setCaseInsensitiveEnumValuesAllowed(true)
          .registerConverter(Role.class, new TargetConverter())
          .setExecutionStrategy(strategy)
          .setParameterExceptionHandler(Main::reportUsage)
          .setExecutionExceptionHandler(Main::reportFailure)
          .execute(args);
    } catch (OutOfMemoryError | StackOverflowError e) {
      Failure failure = Failure.of(e);
      report(
          commandLine,
          Arrays.asList(args).contains("--json"),
          failure.message(),
          failure.exitCode());
      return failure.exitCode();
    }
  }

  /** Runs the command that was parsed, unless it would read records into a memory that may leak. */
  private static int executeGuarded(ParseResult parsed) {
    CommandLine command = parsed.asCommandLineList().getLast();
    Optional<String> refusal =
        command.isUsageHelpRequested()
            ? Optional.empty()
            : MemoryGuard.refusal(command.getCommandSpec());
    if (refusal.isEmpty()) {
      return new RunLast().execute(parsed);
    }
    boolean json = command.getCommand() instanceof Verb verb && verb.json();
    report(command, json, refusal.get(), ExitCode.REFUSED);
    return ExitCode.REFUSED;
  }

  private static int reportUsage(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    report(command, Arrays.asList(args).contains("--json"), e.getMessage(), ExitCode.BAD_INPUT);
    return ExitCode.BAD_INPUT;
  }

  private static int reportFailure(Exception e, CommandLine command, ParseResult parsed) {
    Failure failure = Failure.of(e);
    boolean json = command.getCommand() instanceof Verb verb && verb.json();
    report(command, json, failure.message(), failure.exitCode());
    if (command.getCommand() instanceof Verb verb && verb.debug()) {
      e.printStackTrace(command.getErr());
    }
    return failure.exitCode();
  }

  private static void report(CommandLine command, boolean json, String message, int exitCode) {
    PrintWriter err = command.getErr();
    String line = message.lines().findFirst().orElse("failed");
    if (json) {
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("error", line);
      fields.put("exit", exitCode);
      err.println(Verb.toJson(fields));
    } else {
      String help =
          exitCode == ExitCode.BAD_INPUT
              ? " (see " + command.getCommandSpec().qualifiedName() + " --help)"
              : "";
      err.println("palimpsest: " + line + help);
    }
    err.flush();
  }

  /** What this program is: its version, and the commit that the launcher found it built from. */
  static String program() {
    String version = Main.class.getPackage().getImplementationVersion();
    String commit = System.getProperty("palimpsest.commit", "");
    return "palimpsest "
        + (version == null ? "(not packaged)" : version)
        + (commit.isEmpty() ? "" : ", commit " + commit);
  }

  /** As --version shows it. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {program() + ", Java " + Runtime.version()};
    }
  }
}
