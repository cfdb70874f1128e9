package palimpsest.engine.model;

import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import palimpsest.engine.model.TensorNames.Slot;

/**
 * Which of a model's own tensors are trained, by patterns of the names that they have in Hugging
 * Face's files: {@code *} stands for any characters, dots included, {@code ?} for one, and the
 * whole name must match. A tensor is trained if a pattern matches it (or there are none but those
 * that take away) and none that begins with {@code !} does; the order of the patterns says nothing.
 * GPT-2's names match with and without the {@code transformer.} in front, as its files have both.
 *
 * @param patterns sorted, each once; empty: all tensors
 */
public record TensorPatterns(List<String> patterns) {
  /** All tensors. */
  public static final TensorPatterns ALL = new TensorPatterns(List.of());

  private static final Pattern FORM = Pattern.compile("!?[A-Za-z0-9_.*?-]{1,200}");
  private static final String TAKE_AWAY = "!";
  private static final String TIED_HEAD = "lm_head.weight";

  /** How many names a message lists from the start, and how many from the end. */
  private static final int FIRST_NAMED = 3;

  private static final int LAST_NAMED = 2;

  /**
   * Checks what the patterns are made of.
   *
   * @throws IllegalArgumentException if one is empty or holds what no name does
   */
  public TensorPatterns {
    for (String pattern : patterns) {
      if (!FORM.matcher(pattern).matches()) {
        throw new IllegalArgumentException(
            "a pattern of tensor names is made of letters, digits, . _ - * and ?, after a ! if it"
                + " takes away; one of those given is not");
      }
    }
    patterns = patterns.stream().distinct().sorted().toList();
  }

  /** The patterns, or the one that says the same as none. */
  public List<String> words() {
    return patterns.isEmpty() ? List.of("*") : patterns;
  }

  /** Whether no tensor stays frozen, whatever the model. */
  public boolean isAll() {
    return patterns.isEmpty();
  }

  /**
   * The tensors that are trained, in the order of the computation.
   *
   * @throws IllegalArgumentException if a pattern matches nothing in such a model, or nothing is
   *     left
   */
  List<Slot> of(DecoderConfig config) {
    List<Slot> all = TensorNames.of(config).slots();
    for (String pattern : patterns) {
      Predicate<Slot> matched = slot -> matches(pattern, slot);
      if (all.stream().noneMatch(matched)) {
        throw new IllegalArgumentException(
            "the pattern " + pattern + " matches no tensor of this model" + names(config, all));
      }
    }
    List<Slot> trained = all.stream().filter(this::trains).toList();
    if (trained.isEmpty()) {
      throw new IllegalArgumentException(
          "the patterns "
              + String.join(",", patterns)
              + " leave nothing to train"
              + names(config, all));
    }
    return trained;
  }

  private boolean trains(Slot slot) {
    boolean onlyTakeAway = patterns.stream().allMatch(pattern -> pattern.startsWith(TAKE_AWAY));
    return patterns.stream()
            .filter(pattern -> pattern.startsWith(TAKE_AWAY))
            .noneMatch(pattern -> matches(pattern, slot))
        && (onlyTakeAway
            || patterns.stream()
                .filter(pattern -> !pattern.startsWith(TAKE_AWAY))
                .anyMatch(pattern -> matches(pattern, slot)));
  }

  private static boolean matches(String pattern, Slot slot) {
    String glob = pattern.startsWith(TAKE_AWAY) ? pattern.substring(1) : pattern;
    String name = slot.name();
    return matches(glob, name) || matches(glob, TensorNames.withoutPrefix(name));
  }

  /** In time of at most the product of the lengths, whatever the pattern. */
  private static boolean matches(String glob, String name) {
    int g = 0;
    int n = 0;
    int star = -1;
    int taken = 0;
    while (n < name.length()) {
      char c = g < glob.length() ? glob.charAt(g) : 0;
      if (c == '*') {
        star = g++;
        taken = n;
      } else if (c == '?' || c == name.charAt(n)) {
        g++;
        n++;
      } else if (star >= 0) {
        // The last star takes one character more.
        g = star + 1;
        n = ++taken;
      } else {
        return false;
      }
    }
    while (g < glob.length() && glob.charAt(g) == '*') {
      g++;
    }
    return g == glob.length();
  }

  private static String names(DecoderConfig config, List<Slot> all) {
    List<String> names = all.stream().map(Slot::name).toList();
    String tied =
        config.tiedHead() ? " (" + TIED_HEAD + " is tied: it is " + names.getFirst() + ")" : "";
    return "; there are "
        + String.join(", ", names.subList(0, Math.min(FIRST_NAMED, names.size())))
        + " ... "
        + String.join(", ", names.subList(Math.max(0, names.size() - LAST_NAMED), names.size()))
        + tied;
  }
}
