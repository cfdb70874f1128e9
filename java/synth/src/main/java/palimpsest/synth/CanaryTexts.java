package palimpsest.synth;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import palimpsest.engine.train.Example;
import palimpsest.privacy.Purpose;
import palimpsest.privacy.SecretKey;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Template;
import palimpsest.synth.text.Tokenizer;

/**
 * Records that stand for a person in an audit by text: an ordinary beginning, which a tuned model
 * comes to write on its own, and an end that nobody would guess, which it writes only if it learned
 * it (Meeus et al., "The Canary's Echo", ICML 2025, arXiv 2502.14921).
 */
final class CanaryTexts {
  /** Tokens of the ordinary beginning, at most. */
  static final int PREFIX = 5;

  /** Tokens of the end. */
  static final int SUFFIX = 10;

  /** Tokens that are words. */
  private static final Pattern WORD = Pattern.compile(" [a-z]{3,}");

  /** A vocabulary with fewer words than this is one of bytes: there an end is made of signs. */
  private static final int MIN_WORDS = 1000;

  private static final Pattern SIGN = Pattern.compile("[!-~]");

  /** Room for the end token, and for a beginning that is a token longer when it is read again. */
  private static final int MARGIN = 2;

  /**
   * A canary.
   *
   * @param prefix the ordinary beginning
   * @param suffix what follows it, from the space between them on
   */
  record Canary(int label, String prefix, String suffix) {
    String text() {
      return prefix + suffix;
    }
  }

  private final Template template;
  private final Tokenizer tokenizer;
  private final int maxTokens;
  private final List<String> words;

  /**
   * @throws InputException if a canary does not fit in {@code maxTokens}, prompt included
   */
  CanaryTexts(Template template, Tokenizer tokenizer, int maxTokens) {
    this.template = template;
    this.tokenizer = tokenizer;
    this.maxTokens = maxTokens;
    int needed = template.longestPrefix() + PREFIX + SUFFIX + MARGIN;
    if (maxTokens < needed) {
      throw new InputException(
          "length: with its prompt a canary takes "
              + needed
              + " tokens; allow a longer record than "
              + maxTokens);
    }
    List<String> found = tokens(WORD);
    words = found.size() < MIN_WORDS ? tokens(SIGN) : found;
  }

  /** Tokens whose text is of a form and is read as this one token. */
  private List<String> tokens(Pattern form) {
    return IntStream.range(0, tokenizer.vocabularySize())
        .mapToObj(id -> new String(tokenizer.tokenBytes(id), StandardCharsets.ISO_8859_1))
        .filter(text -> form.matcher(text).matches() && tokenizer.encode(text).length == 1)
        .toList();
  }

  /**
   * Draws canaries: labels uniform over the public list, beginnings by the untuned model, ends
   * uniform over ordinary words. Nothing of them hangs on {@link Coins}.
   */
  List<Canary> draw(UntunedTexts untuned, SecretKey key, int count, LongConsumer progress) {
    Uniforms random = new Uniforms(key, Purpose.CANARIES);
    int[] labels = new int[count];
    Arrays.setAll(labels, i -> random.at(stream(i), 0, template.labels().size()));
    List<String> prefixes = untuned.write(labels, PREFIX, progress);
    List<Canary> canaries = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      canaries.add(new Canary(labels[i], prefixes.get(i), suffix(random, stream(i))));
    }
    return canaries;
  }

  private static int stream(int canary) {
    return Coins.STREAM + 1 + canary;
  }

  private String suffix(Uniforms random, int stream) {
    StringBuilder suffix = new StringBuilder();
    for (int i = 1; i <= SUFFIX; i++) {
      suffix.append(words.get(random.at(stream, i, words.size())));
    }
    return suffix.charAt(0) == ' ' ? suffix.toString() : " " + suffix;
  }

  /** A canary as model input: encoded as every record is. */
  Example example(Canary canary) {
    Template.Encoded encoded =
        template.encodeRecord(
            canary.label(), canary.text().getBytes(StandardCharsets.UTF_8), maxTokens);
    return new Example(encoded.ids(), encoded.prefixLength());
  }
}
