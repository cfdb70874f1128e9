package palimpsest.cli;

import java.nio.file.Path;
import java.util.Set;
import palimpsest.engine.model.ModelCache;
import palimpsest.privacy.Waiver;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.RunSettings;
import palimpsest.synth.Synthesis;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What the commands that train on private records share: the records, the model, the training. */
abstract class TrainingVerb extends Verb {
  @Option(names = "--data", required = true, paramLabel = "FILE", description = "The private file.")
  private Path file;

  @Mixin private DataOptions data;

  @Option(
      names = "--model",
      defaultValue = "smollm2-135m",
      paramLabel = "M",
      description = "A fetched model's name or a model folder (default smollm2-135m).")
  private String model;

  @Mixin private PromptOptions prompt;

  @Mixin private TrainingOptions training;

  /** The base model's folder. */
  final Path base() {
    return ModelCache.standard().resolve(model);
  }

  /** The run's settings; reads the file's length only under the waiver. */
  final RunSettings settings() {
    return training.settings(file, data);
  }

  /**
   * The private records, in the account of this name.
   *
   * @param name the one that the owner gave, or null
   */
  final Synthesis.Source source(String name) {
    return new Synthesis.Source(
        file, data.records(), data.labels(file), name == null ? fileName() : name, name != null);
  }

  /** The account's name if none is given: public, since the owner chose the file's name. */
  private String fileName() {
    String name = file.getFileName().toString();
    int dot = name.indexOf('.');
    return dot > 0 ? name.substring(0, dot) : name;
  }

  final Synthesis.Prompt prompt() {
    return prompt.prompt();
  }

  /** How the run of these settings is made. */
  final ExecutionSpec execution(RunSettings settings) {
    return training.execution(base(), settings);
  }

  /** What the owner declared public. */
  final Set<Waiver> waivers() {
    return training.waivers(data);
  }
}
