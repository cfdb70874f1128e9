package palimpsest.synth.text;

import java.util.List;
import java.util.Locale;
import java.util.Set;

/** The public words of a prompt: what kind of record, and what its label says about it. */
final class Phrases {
  /**
   * Phrases that say nothing about a label, from short to long: guidance compares a label's prompt
   * with one of these of about the same length.
   */
  static final List<String> GENERIC =
      List.of(
          "",
          "of any kind",
          "about one subject or another",
          "about one subject or another, of any kind",
          "about one subject or another, of any kind, written by anyone",
          "about one subject or another, of any kind, written by anyone for any purpose at all");

  private static final Set<String> CONNECTIVES =
      Set.of(
          "that", "which", "who", "whose", "where", "when", "about", "with", "without", "of",
          "from", "for", "in", "on", "to", "by", "against", "at");

  private Phrases() {}

  /** Whether a noun goes with "an": by its first letter. */
  static boolean takesAn(String noun) {
    return "aeiou".indexOf(Character.toLowerCase(noun.charAt(0))) >= 0;
  }

  /** The last word, as a heading. */
  static String heading(String noun) {
    String head = noun.substring(noun.lastIndexOf(' ') + 1);
    return head.substring(0, 1).toUpperCase(Locale.ROOT) + head.substring(1);
  }

  /** What follows the noun for a label: the owner's description, or the label's own words. */
  static String of(Labels labels, int label) {
    if (labels.description(label).isPresent()) {
      return joined(labels.description(label).get());
    }
    if (labels.size() == 1) {
      return "";
    }
    String words = words(labels.name(label));
    return words.chars().noneMatch(Character::isLetter) ? "of class " + words : joined(words);
  }

  private static String joined(String description) {
    String phrase =
        description.endsWith(".")
            ? description.substring(0, description.length() - 1)
            : description;
    String first = phrase.split(" ", 2)[0].toLowerCase(Locale.ROOT);
    boolean connects = CONNECTIVES.contains(first) || first.length() > 5 && first.endsWith("ing");
    return connects ? phrase : "about " + phrase;
  }

  /** {@code card_arrival}, {@code cardArrival} and {@code card-arrival} as words. */
  static String words(String label) {
    String spaced =
        label.replaceAll("[_\\-]+", " ").replaceAll("(?<=\\p{Ll})(?=\\p{Lu})", " ").strip();
    if (spaced.isEmpty()) {
      return label;
    }
    boolean acronym = spaced.equals(spaced.toUpperCase(Locale.ROOT)) && spaced.length() <= 4;
    return acronym ? spaced : spaced.toLowerCase(Locale.ROOT);
  }
}
