package palimpsest.synth;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import palimpsest.engine.generate.Scorer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.evaluate.Exposure;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/**
 * A base model with or without what was tuned and released of it, ready to sample from and to score
 * with.
 */
public final class TunedModel implements AutoCloseable {
  private final Kernels kernels;
  private final TunedDecoder model;
  private final Tokenizer tokenizer;
  private final Template template;
  private final ExecutionSpec execution;
  private final int maxTokens;

  /**
   * @param base the base model's folder
   * @param tuned folder of what was tuned, or null for the base model alone
   * @param maxTokens the longest record, prompt included
   */
  public TunedModel(
      Path base,
      Path tuned,
      Labels labels,
      Synthesis.Prompt prompt,
      ExecutionSpec execution,
      int maxTokens) {
    this.execution = execution;
    this.maxTokens = maxTokens;
    kernels = Synthesis.kernels(execution);
    try (ModelFolder folder = ModelFolder.open(base)) {
      tokenizer = Synthesis.tokenizer(folder);
      template = Synthesis.template(folder, tokenizer, labels, prompt);
      template.requireRoom(maxTokens);
      int longest = Math.max(maxTokens, 2 * template.longestPrefix());
      model =
          tuned == null
              ? TunedDecoder.untuned(folder, kernels, longest)
              : TunedDecoder.open(folder, kernels, longest, tuned);
    }
  }

  /** Samples records: free post-processing. */
  public List<SyntheticRecord> sample(SamplingSettings settings, SynthesisListener listener) {
    listener.begin("sampling", Math.max(1, settings.records()));
    try (SecretKey key = SecretKey.fromOperatingSystem()) {
      return new Sampling(model, template, settings, execution, maxTokens, key).run(listener::done);
    }
  }

  /**
   * The exposure of planted secrets under this model.
   *
   * @param cases secrets with their decoys
   * @param labels the label that each secret's message was trained under
   */
  public Exposure exposure(
      List<Exposure.Case> cases, List<Integer> labels, SynthesisListener listener) {
    listener.begin("measuring exposure", cases.size());
    try (Scorer scorer = new Scorer(model, execution.workers())) {
      return Exposure.of(
          cases,
          (index, context, continuations) -> {
            double[] scores =
                score(scorer, template.prefix(labels.get(index)), context, continuations);
            listener.done(index + 1);
            return scores;
          });
    }
  }

  /**
   * Log-probabilities of continuations. A message is tokenised whole, since tokens may run over the
   * place where the context ends; what all have in common is the context.
   */
  private double[] score(Scorer scorer, int[] prefix, String context, List<String> continuations) {
    List<int[]> messages =
        continuations.stream().map(text -> tokenizer.encode(context + text)).toList();
    int common = messages.getFirst().length;
    for (int[] message : messages) {
      int mismatch = Arrays.mismatch(messages.getFirst(), message);
      common = Math.min(common, mismatch < 0 ? message.length : mismatch);
    }
    int[] whole = Arrays.copyOf(prefix, prefix.length + common);
    System.arraycopy(messages.getFirst(), 0, whole, prefix.length, common);
    List<int[]> rest = new ArrayList<>();
    for (int[] message : messages) {
      rest.add(Arrays.copyOfRange(message, common, message.length));
    }
    return scorer.score(whole, rest);
  }

  @Override
  public void close() {
    model.close();
    kernels.close();
  }
}
