package palimpsest.synth;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import palimpsest.engine.generate.Scorer;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.model.DecoderConfig;
import palimpsest.engine.model.ModelFolder;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.synth.evaluate.Perplexity;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/** The perplexity of texts under a public model, which reads each of them from its beginning. */
public final class TextPerplexity {
  /** Texts that are scored at a time. */
  private static final int TOGETHER = 64;

  private TextPerplexity() {}

  /**
   * Scores two sets by one model, so that they can be compared.
   *
   * @param model folder of a public model that knows nothing of the sets
   * @param maxTokens of a text, that are scored
   * @throws palimpsest.synth.text.InputException if the model cannot be used
   */
  public static List<Perplexity> of(
      Path model, List<List<String>> sets, int maxTokens, ExecutionSpec execution) {
    AdapterCard.refuseAsBase(model);
    try (ModelFolder folder = ModelFolder.open(model)) {
      int most = Math.min(maxTokens, folder.config().contextLength() - 1);
      Tokenizer tokenizer = Synthesis.tokenizer(folder);
      int[] begin = {begin(folder.config(), tokenizer)};
      try (Kernels kernels = Synthesis.kernels(execution);
          TunedDecoder decoder = TunedDecoder.untuned(folder, kernels, most + 1);
          Scorer scorer = new Scorer(decoder, execution.workers())) {
        List<Perplexity> perplexities = new ArrayList<>();
        for (List<String> texts : sets) {
          List<int[]> tokens = new ArrayList<>();
          for (String text : texts) {
            int[] ids = tokenizer.encode(text);
            tokens.add(ids.length > most ? Arrays.copyOf(ids, most) : ids);
          }
          perplexities.add(perplexity(scorer, begin, tokens));
        }
        return perplexities;
      }
    }
  }

  /** What stands before a text: the token that begins documents, or the one that ends them. */
  private static int begin(DecoderConfig config, Tokenizer tokenizer) {
    return config
        .beginId()
        .orElseGet(() -> config.endId().orElseGet(() -> Template.Control.of(tokenizer).end()));
  }

  private static Perplexity perplexity(Scorer scorer, int[] begin, List<int[]> texts) {
    double nats = 0;
    long tokens = 0;
    for (int from = 0; from < texts.size(); from += TOGETHER) {
      List<int[]> some = texts.subList(from, Math.min(texts.size(), from + TOGETHER));
      nats -= Arrays.stream(scorer.score(begin, some)).sum();
      tokens += some.stream().mapToLong(text -> text.length).sum();
    }
    return new Perplexity(nats, tokens);
  }
}
