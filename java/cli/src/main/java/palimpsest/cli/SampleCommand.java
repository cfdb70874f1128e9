package palimpsest.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import palimpsest.engine.model.ModelCache;
import palimpsest.synth.ExecutionSpec;
import palimpsest.synth.Synthesis;
import palimpsest.synth.SyntheticRecord;
import palimpsest.synth.TunedModel;
import palimpsest.synth.text.Labels;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** More records from a released adapter, or some from the base model alone. */
@Command(
    name = "sample",
    description = "Draws records from a tuned model: any number, at no further privacy cost.",
    footer = {
      "",
      "Example: palimpsest sample --adapter synthetic-tickets/adapter --labels queues.txt --kind 'support ticket' \\",
      "           --records 5000 --out more.jsonl"
    })
final class SampleCommand extends Verb {
  @Option(
      names = "--model",
      defaultValue = "smollm2-135m",
      paramLabel = "M",
      description = "The base model (default smollm2-135m).")
  private String model;

  @Option(
      names = "--adapter",
      paramLabel = "DIR",
      description = "The adapter; without one the base model is sampled.")
  private Path adapter;

  @Option(
      names = "--labels",
      paramLabel = "LIST",
      description = "The public labels that the adapter was tuned with.")
  private String labels;

  @Option(
      names = "--kind",
      defaultValue = "text",
      paramLabel = "NOUN",
      description = "As given to synthesize.")
  private String kind;

  @Option(names = "--template", paramLabel = "P", description = "As given to synthesize.")
  private String template;

  @Option(
      names = "--max-tokens",
      defaultValue = "96",
      paramLabel = "T",
      description = "As given to synthesize (default 96).")
  private int maxTokens;

  @Mixin private SamplingOptions sampling;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "The new file, .jsonl or .csv.")
  private Path out;

  @Override
  public Integer call() {
    Labels list =
        labels == null
            ? Labels.single()
            : java.nio.file.Files.isRegularFile(Path.of(labels))
                ? Labels.read(Path.of(labels))
                : Labels.of(Arrays.asList(labels.split(",")));
    Synthesis.Prompt prompt =
        new Synthesis.Prompt(
            kind, Optional.ofNullable(template).map(text -> text.replace("\\n", "\n")));
    try (ProgressListener listener = new ProgressListener(this::progress);
        TunedModel tuned =
            new TunedModel(
                ModelCache.standard().resolve(model),
                adapter,
                list,
                prompt,
                ExecutionSpec.defaults(),
                maxTokens)) {
      List<SyntheticRecord> records = tuned.sample(sampling.settings(), listener);
      Synthesis.writeRecords(out, records, list);
      listener.close();
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("file", out.toString());
      fields.put("records", records.size());
      print(fields, records.size() + " records are in " + out);
    }
    return ExitCode.DONE;
  }
}
