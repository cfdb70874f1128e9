package palimpsest.synth.text;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import palimpsest.synth.text.TrainedVocabulary.Merge;

/**
 * Byte-pair learning as the paper has it: all words of the text as lists of tokens, every pair
 * counted anew before each merge. A token is a string with a character a byte, whose order is that
 * of the bytes.
 */
final class NaiveTrainer {
  private static final Pattern GPT2 =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
              .replace("\\s", "\\p{IsWhite_Space}")
              .replace("\\S", "\\P{IsWhite_Space}"));

  private final TokenizerSettings settings;
  private final List<List<String>> words = new ArrayList<>();
  private final List<String> tokens = new ArrayList<>();
  private final List<Merge> merges = new ArrayList<>();

  private NaiveTrainer(List<String> texts, TokenizerSettings settings) {
    this.settings = settings;
    for (String text : texts) {
      for (String part : parts(text)) {
        Matcher word = GPT2.matcher(part);
        while (word.find()) {
          String latin1 =
              new String(
                  word.group().getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
          words.add(new ArrayList<>(List.of(latin1.split(""))));
        }
      }
    }
  }

  /** The text between special tokens, which start with others in no test; digits by themselves. */
  private List<String> parts(String text) {
    List<String> parts = List.of(text);
    for (String special : settings.specialTokens()) {
      parts =
          parts.stream()
              .flatMap(part -> List.of(part.split(Pattern.quote(special))).stream())
              .toList();
    }
    if (settings.individualDigits()) {
      parts =
          parts.stream()
              .flatMap(part -> List.of(part.split("(?<=\\p{N})|(?=\\p{N})")).stream())
              .toList();
    }
    return parts;
  }

  static NaiveTrainer train(List<String> texts, TokenizerSettings settings) {
    NaiveTrainer trainer = new NaiveTrainer(texts, settings);
    trainer.learn();
    return trainer;
  }

  List<Merge> merges() {
    return merges;
  }

  /** What the merges made, in order. */
  List<String> learnedTokens() {
    return tokens.stream().map(NaiveTrainer::spell).toList();
  }

  private void learn() {
    int room = settings.vocabularySize() - 256 - settings.specialTokens().size();
    while (tokens.size() < room) {
      Map<List<String>, Integer> counts = new HashMap<>();
      for (List<String> word : words) {
        for (int i = 0; i + 1 < word.size(); i++) {
          counts.merge(List.of(word.get(i), word.get(i + 1)), 1, Integer::sum);
        }
      }
      List<String> best = null;
      for (List<String> pair : counts.keySet()) {
        if (best == null || isBetter(pair, best, counts)) {
          best = pair;
        }
      }
      if (best == null || counts.get(best) < settings.minimumFrequency()) {
        return;
      }
      merge(best.get(0), best.get(1));
    }
  }

  private static boolean isBetter(
      List<String> pair, List<String> other, Map<List<String>, Integer> counts) {
    int order = counts.get(pair) - counts.get(other);
    order = order != 0 ? order : pair.get(0).compareTo(other.get(0));
    order = order != 0 ? order : pair.get(1).compareTo(other.get(1));
    return order > 0;
  }

  private void merge(String left, String right) {
    merges.add(new Merge(spell(left), spell(right)));
    tokens.add(left + right);
    for (List<String> word : words) {
      for (int i = 0; i + 1 < word.size(); i++) {
        if (word.get(i).equals(left) && word.get(i + 1).equals(right)) {
          word.set(i, left + word.remove(i + 1));
        }
      }
    }
  }

  private static String spell(String latin1) {
    return ByteAlphabet.spell(latin1.getBytes(StandardCharsets.ISO_8859_1));
  }
}
