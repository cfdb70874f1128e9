package palimpsest.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.PrintWriter;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What every command shares: its help, and how it speaks to a person or to a program. */
abstract class Verb implements Callable<Integer> {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  /**
   * The folders of a path that is an argument, or a part of one behind a comma or an equals sign.
   */
  private static final Pattern FOLDERS = Pattern.compile("(^|[,=])[^,=<>]*/");

  /**
   * The first words of a result that follows from private records and that nothing was paid for.
   */
  static final String PRIVATE_FIGURES = "For the owner's eyes: no epsilon covers these figures.";

  @Spec private CommandSpec spec;

  @Option(names = "--json", description = "Print the result as one JSON object.")
  private boolean json;

  @Option(names = "--quiet", description = "Show no progress.")
  private boolean quiet;

  @Option(names = "--debug", description = "Show the stack trace of an error.")
  private boolean debug;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help.")
  private boolean help;

  /** Whether the caller is a program: then standard output holds one JSON object and no more. */
  final boolean json() {
    return json;
  }

  final boolean debug() {
    return debug;
  }

  /** Prints a result: {@code fields} as JSON for a program, {@code text} for a person. */
  final void print(Map<String, ?> fields, String text) {
    PrintWriter out = spec.commandLine().getOut();
    out.println(json ? toJson(fields) : text.stripTrailing());
    out.flush();
  }

  /** Tells a person one line on standard error, unless --quiet. */
  final void say(String line) {
    if (!quiet) {
      PrintWriter err = spec.commandLine().getErr();
      err.println("palimpsest: " + line);
      err.flush();
    }
  }

  /**
   * A progress display on standard error, in the style that the options and the terminal ask for.
   */
  final Progress progress(String task, long steps) {
    Progress.Style style =
        quiet
            ? Progress.Style.SILENT
            : Boolean.getBoolean("palimpsest.terminal") && !json
                ? Progress.Style.BAR
                : Progress.Style.LINES;
    return new Progress(spec.commandLine().getErr(), style, task, steps, System::nanoTime);
  }

  /** The command as it was given, of paths the last part alone. */
  final String commandLine() {
    return "palimpsest "
        + spec.commandLine().getParseResult().originalArgs().stream()
            .map(argument -> FOLDERS.matcher(argument).replaceAll("$1"))
            .map(argument -> argument.contains(" ") ? '"' + argument + '"' : argument)
            .collect(Collectors.joining(" "));
  }

  static String toJson(Map<String, ?> fields) {
    try {
      return JSON.writeValueAsString(fields);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a result that cannot be written as JSON", e);
    }
  }
}
