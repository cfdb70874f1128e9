package palimpsest.cli;

import java.util.Optional;
import palimpsest.synth.Synthesis;
import picocli.CommandLine.Option;

/** The public words around a record; the same in every command that makes a prompt. */
final class PromptOptions {
  @Option(
      names = "--kind",
      paramLabel = "NOUN",
      description =
          "What a record is, in public words such as 'customer message'; part of the prompt (default 'text').")
  private String kind;

  @Option(
      names = "--template",
      paramLabel = "P",
      description =
          "A prompt of your own with {label} or {description} and, at its end, {text}; \\n is a line end.")
  private String template;

  Synthesis.Prompt prompt() {
    return new Synthesis.Prompt(
        kind == null ? "text" : kind,
        Optional.ofNullable(template).map(text -> text.replace("\\n", "\n")));
  }

  boolean given() {
    return kind != null || template != null;
  }
}
