package palimpsest.synth.classify;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import palimpsest.synth.evaluate.LabelledTexts;
import palimpsest.synth.text.Labels;

/** Texts with one colour among other words, which is the label. */
final class ColourTexts {
  static final List<String> WORDS =
      List.of("red", "blue", "green", "the", "a", "house", "tree", "was", "is", "very", "old");
  static final Labels LABELS = Labels.of(List.of("red", "blue", "green"));

  private ColourTexts() {}

  static LabelledTexts of(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    List<String> texts = new ArrayList<>();
    List<String> labels = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String label = LABELS.name(random.nextInt(3));
      List<String> words = new ArrayList<>();
      int length = random.nextInt(3, 9);
      for (int w = 0; w < length; w++) {
        words.add(WORDS.get(random.nextInt(3, WORDS.size())));
      }
      words.set(random.nextInt(length), label);
      texts.add(String.join(" ", words));
      labels.add(label);
    }
    return new LabelledTexts(texts, labels);
  }
}
