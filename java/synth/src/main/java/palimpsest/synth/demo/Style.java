package palimpsest.synth.demo;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import palimpsest.synth.SplitMix64;

/** Turns a raw expansion into a message as somebody might type it: sentences, register, slips. */
final class Style {
  private static final Pattern SPACES = Pattern.compile("\\s+");
  private static final Pattern SPACE_BEFORE_STOP = Pattern.compile(" +([.,;:!?])");
  private static final Pattern DOUBLE_STOP = Pattern.compile("([.!?])[.,]+|,(?=[.!?])");
  private static final Pattern ARTICLE =
      Pattern.compile("\\b([Aa]) (?=[aeioAEIO](?!ne\\b)|un[^i]|um|ug|up|us[^e]|hour|honest)");
  private static final Pattern SENTENCE_START = Pattern.compile("(^|[.!?]\"? )([a-z])");

  /** What a hurried writer makes of a word. */
  private static final Map<String, String> SHORT_FORMS =
      Map.ofEntries(
          Map.entry("please", "pls"),
          Map.entry("you", "u"),
          Map.entry("your", "ur"),
          Map.entry("because", "bc"),
          Map.entry("are", "r"),
          Map.entry("tomorrow", "tmrw"),
          Map.entry("thanks", "thx"),
          Map.entry("and", "&"),
          Map.entry("account", "acct"),
          Map.entry("weeks", "wks"),
          Map.entry("before", "b4"),
          Map.entry("message", "msg"),
          Map.entry("without", "w/o"));

  private static final Map<String, String> CONTRACTIONS =
      Map.ofEntries(
          Map.entry("I am ", "I'm "),
          Map.entry("I have not ", "I haven't "),
          Map.entry("I have never ", "I've never "),
          Map.entry("I have already ", "I've already "),
          Map.entry("I have been ", "I've been "),
          Map.entry("I would ", "I'd "),
          Map.entry("it is ", "it's "),
          Map.entry("do not ", "don't "),
          Map.entry("does not ", "doesn't "),
          Map.entry("did not ", "didn't "),
          Map.entry("has not ", "hasn't "),
          Map.entry("is not ", "isn't "),
          Map.entry("was not ", "wasn't "));

  private Style() {}

  /** Mends spacing, articles and capitals. */
  static String tidy(String raw) {
    String text = SPACES.matcher(raw).replaceAll(" ").strip();
    text = SPACE_BEFORE_STOP.matcher(text).replaceAll("$1");
    text = DOUBLE_STOP.matcher(text).replaceAll(m -> m.group(1) == null ? "" : m.group(1));
    text = ARTICLE.matcher(text).replaceAll("$1n ");
    return SENTENCE_START.matcher(text).replaceAll(m -> m.group(1) + upper(m.group(2)));
  }

  /**
   * Gives a tidy message a register: most stay as they are, some are contracted, typed in lower
   * case, abbreviated or angry, and about one in six has a slip of the finger.
   */
  static String roughen(String text, SplitMix64 random) {
    if (random.chance(55)) {
      text = contract(text, random);
    }
    int register = random.nextInt(100);
    if (register < 17) {
      text = lowerCase(text, random);
    } else if (register < 23) {
      text = abbreviate(text.toLowerCase(Locale.ROOT));
    } else if (register < 29) {
      text = anger(text, random);
    }
    if (random.chance(16)) {
      text = slip(text, random);
      if (random.chance(25)) {
        text = slip(text, random);
      }
    }
    return text;
  }

  private static String contract(String text, SplitMix64 random) {
    // Sorted, so that the order of the draws does not hang on a map's order.
    for (String full : CONTRACTIONS.keySet().stream().sorted().toList()) {
      if (text.contains(full) && random.chance(75)) {
        text = text.replace(full, CONTRACTIONS.get(full));
      }
      String start = upper(full.substring(0, 1)) + full.substring(1);
      if (text.contains(start) && random.chance(75)) {
        text = text.replace(start, upper(CONTRACTIONS.get(full)));
      }
    }
    return text;
  }

  private static String lowerCase(String text, SplitMix64 random) {
    text = text.toLowerCase(Locale.ROOT);
    if (random.chance(50)) {
      text = text.replace("'", "");
    }
    if (random.chance(40)) {
      text = text.replace(",", "");
    }
    return random.chance(60) && text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
  }

  private static String abbreviate(String text) {
    List<String> words = new ArrayList<>();
    for (String word : text.split(" ")) {
      String bare = word.replaceAll("[.,!?]+$", "");
      words.add(SHORT_FORMS.getOrDefault(bare, bare) + word.substring(bare.length()));
    }
    return String.join(" ", words);
  }

  /** Shouts one word and ends on exclamation marks. */
  private static String anger(String text, SplitMix64 random) {
    String[] words = text.split(" ");
    int loud = random.nextInt(words.length);
    if (words[loud].matches("[a-z]{3,}[.,!?]?")) {
      words[loud] = words[loud].toUpperCase(Locale.ROOT);
    }
    String joined = String.join(" ", words);
    if (!joined.endsWith(".")) {
      return joined;
    }
    return joined.substring(0, joined.length() - 1) + (random.chance(60) ? "!" : "!!!");
  }

  /** One slip in one word of five letters or more: two letters swapped, one dropped or doubled. */
  private static String slip(String text, SplitMix64 random) {
    String[] words = text.split(" ");
    int which = random.nextInt(words.length);
    String word = words[which];
    if (word.matches("[A-Za-z]{5,}[.,!?]?")) {
      int at = 1 + random.nextInt(3);
      String head = word.substring(0, at);
      String tail = word.substring(at + 1);
      words[which] =
          switch (random.nextInt(4)) {
            case 0 -> head + tail;
            case 1 -> head + word.charAt(at) + word.charAt(at) + tail;
            default -> head + tail.charAt(0) + word.charAt(at) + tail.substring(1);
          };
    }
    return String.join(" ", words);
  }

  private static String upper(String text) {
    return text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1);
  }
}
