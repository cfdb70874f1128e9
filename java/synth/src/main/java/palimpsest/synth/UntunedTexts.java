package palimpsest.synth;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import palimpsest.engine.generate.GenerationSettings;
import palimpsest.engine.generate.Generator;
import palimpsest.engine.generate.Request;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.Template;

/**
 * What the base model writes under the prompts of labels, as it comes: not guided, not judged, and
 * cut where there is no more room.
 */
final class UntunedTexts {
  private static final double TOP_P = 0.95;

  private final TunedDecoder base;
  private final Template template;
  private final ExecutionSpec execution;

  /**
   * @param base a model without what was tuned of it
   */
  UntunedTexts(TunedDecoder base, Template template, ExecutionSpec execution) {
    this.base = base;
    this.template = template;
    this.execution = execution;
  }

  /**
   * One text for each of the labels.
   *
   * @param maxNewTokens of a text, at most
   * @param progress told how many texts are done
   */
  List<String> write(int[] labels, int maxNewTokens, LongConsumer progress) {
    int[][] prompts =
        IntStream.range(0, template.labels().size())
            .mapToObj(template::prefix)
            .toArray(int[][]::new);
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < labels.length; i++) {
      requests.add(new Request(i, labels[i]));
    }
    String[] texts = new String[labels.length];
    AtomicInteger done = new AtomicInteger();
    try (SecretKey key = SecretKey.fromOperatingSystem();
        Generator generator = new Generator(base, prompts, settings(maxNewTokens))) {
      generator.generate(
          requests,
          new Uniforms(key, Purpose.GENERATION),
          result -> {
            texts[result.index()] = template.read(result.tokens(), 0).text();
            progress.accept(done.incrementAndGet());
          });
    }
    return Arrays.asList(texts);
  }

  private GenerationSettings settings(int maxNewTokens) {
    return new GenerationSettings(
        execution.streams(),
        maxNewTokens,
        1,
        0,
        TOP_P,
        0,
        Set.of(template.endToken()),
        execution.workers());
  }
}
