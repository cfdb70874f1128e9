package palimpsest.synth.text;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a record becomes model input: a public prefix that tells the label, the record's text, the
 * end token. Prefix and end token decide where private training starts and cost no privacy: a
 * sentence in the model's own language beats a tag, and the prefix never ends in a space, which
 * would be a token that no text of the model's own training starts with.
 *
 * <p>The default reads {@code A movie review that is positive.\nReview:\n}. On
 * SmolLM2-135M-Instruct, untuned, in nats a token of text and end token (48 TREC questions, 48
 * Banking77 questions, 24 IMDB reviews cut at 96 tokens): this 3.63, 3.48, 3.75; the same with the
 * text on the heading's line 3.76, 3.47, 3.76; the model's chat turn 3.64, 3.57, 3.82, with a
 * prefix half as long again; the tag {@code [label]:} 4.68, 3.88, 3.92.
 */
public final class Template {
  /** What is wrong with a generated text, by its form alone. */
  public enum Fault {
    EMPTY,
    TOO_SHORT,
    /** It holds a line of the prompt or the name of a control token. */
    MARKER,
    /** It is not whole UTF-8. */
    BROKEN
  }

  /**
   * Control tokens around a record.
   *
   * @param begin put in front of every prefix, where the model was trained so
   * @param end ends a record: the model's own end of turn, or of document
   */
  public record Control(OptionalInt begin, int end) {
    /**
     * No token in front, and the likeliest end token.
     *
     * @throws InputException if the tokenizer has no token known to end a text
     */
    public static Control of(Tokenizer tokenizer) {
      return new Control(
          OptionalInt.empty(),
          tokenizer.endTokenCandidates().stream()
              .findFirst()
              .orElseThrow(
                  () -> new InputException("tokenizer: no known end token; state its id")));
    }
  }

  /**
   * A record as model input.
   *
   * @param ids prefix, text and end token; without the end token if the text was cut
   * @param prefixLength how many ids at the front are prefix: input only, weight 0 in the loss
   */
  public record Encoded(int[] ids, int prefixLength) {
    @Override
    public String toString() {
      return "Encoded[private]";
    }
  }

  /**
   * A generated text.
   *
   * @param text without prefix, end token and outer white space
   * @param finished whether the model ended it itself
   * @param fault why it should not be used, if so
   */
  public record Generated(String text, boolean finished, Optional<Fault> fault) {}

  private static final Pattern PLACEHOLDER = Pattern.compile("\\{([a-z]+)\\}");
  private static final List<String> KNOWN = List.of("label", "description", "kind", "text");
  private static final int MAX_PATTERN = 2000;
  private static final int MAX_KIND = 100;

  private final Tokenizer tokenizer;
  private final Labels labels;
  private final Control control;
  private final String kind;
  private final String prefixPattern;
  private final boolean leadingSpace;
  private final int[][] prefixes;
  private final TreeSet<String> markers = new TreeSet<>();

  private Template(
      Tokenizer tokenizer, Labels labels, String kind, String pattern, Control control) {
    this.tokenizer = tokenizer;
    this.labels = labels;
    this.control = control;
    this.kind = kind;
    checkPublic("kind", kind);
    if (control.end() < 0 || control.end() >= tokenizer.vocabularySize()) {
      throw new InputException("end token " + control.end() + " is not in the vocabulary");
    }
    String before = pattern.substring(0, pattern.length() - "{text}".length());
    leadingSpace = before.endsWith(" ");
    prefixPattern = before.replaceAll(" +$", "");
    prefixes = new int[labels.size()][];
    for (int label = 0; label < prefixes.length; label++) {
      checkPublic("label", labels.name(label));
      labels.description(label).ifPresent(text -> checkPublic("description", text));
      String text = fill(Phrases.words(labels.name(label)), Phrases.of(labels, label));
      prefixes[label] = withBegin(tokenizer.encode(text, Tokenizer.SpecialTokens.AS_TOKENS), 0, 0);
      addMarkers(text);
    }
    if (prefixes[0].length == 0) {
      throw new InputException("template: nothing stands before {text}; put a prompt there");
    }
  }

  /**
   * The default template: a sentence that describes the record, a heading, the text on a line of
   * its own.
   *
   * @param kind a public noun for the records, such as "customer message"
   * @throws InputException if kind, a label or a description spells a control token
   */
  public static Template describe(
      Tokenizer tokenizer, Labels labels, String kind, Control control) {
    String noun = checkKind(kind);
    String pattern =
        (Phrases.takesAn(noun) ? "An" : "A")
            + " {kind} {description}.\n"
            + Phrases.heading(noun).replaceAll("[{}]", "")
            + ":\n{text}";
    return new Template(tokenizer, labels, noun, pattern, control);
  }

  /**
   * A template of the owner's own, public like the others. {@code {label}}, {@code {description}}
   * and {@code {kind}} are filled in, {@code {text}} comes last; a control token in it is that
   * token.
   *
   * @throws InputException if {text} is missing, not last or not alone, if a placeholder is
   *     unknown, or if nothing tells the labels apart
   */
  public static Template custom(
      Tokenizer tokenizer, Labels labels, String kind, String pattern, Control control) {
    if (pattern.length() > MAX_PATTERN) {
      throw new InputException("template: over " + MAX_PATTERN + " characters; shorten it");
    }
    boolean tellsLabel = labels.size() == 1;
    for (Matcher found = PLACEHOLDER.matcher(pattern); found.find(); ) {
      String name = found.group(1);
      if (!KNOWN.contains(name)) {
        throw new InputException(
            "template: {" + name + "} is unknown; use {label} {description} {kind} {text}");
      }
      tellsLabel |= name.equals("label") || name.equals("description");
    }
    int text = pattern.indexOf("{text}");
    if (text < 0 || text + "{text}".length() != pattern.length()) {
      throw new InputException("template: {text} must stand once, at the end");
    }
    if (!tellsLabel) {
      throw new InputException("template: needs {label} or {description} to tell labels apart");
    }
    return new Template(tokenizer, labels, checkKind(kind), pattern, control);
  }

  private static String checkKind(String kind) {
    String noun = kind.strip();
    if (noun.isEmpty()
        || noun.length() > MAX_KIND
        || noun.chars().anyMatch(Character::isISOControl)) {
      throw new InputException(
          "kind: give a noun of 1 to " + MAX_KIND + " characters, such as 'customer message'");
    }
    return noun;
  }

  /** Filled-in words must not act as control tokens: only the pattern itself may name one. */
  private void checkPublic(String what, String text) {
    if (tokenizer.spellsSpecial(text)) {
      throw new InputException(what + ": '" + text + "' spells a control token; rename it");
    }
  }

  /** Fills the pattern in one pass, so that nothing filled in is read as a placeholder. */
  private String fill(String label, String phrase) {
    String pattern = phrase.isEmpty() ? prefixPattern.replace(" {description}", "") : prefixPattern;
    return PLACEHOLDER
        .matcher(pattern)
        .replaceAll(found ->
            Matcher.quoteReplacement(
                switch (found.group(1)) {
                  case "label" -> label;
                  case "description" -> phrase;
                  default -> kind;
                }));
  }

  private int[] withBegin(int[] ids, int pad, int padToken) {
    int begin = control.begin().isPresent() ? 1 : 0;
    int[] all = new int[begin + pad + ids.length];
    if (begin > 0) {
      all[0] = control.begin().getAsInt();
    }
    Arrays.fill(all, begin, begin + pad, padToken);
    System.arraycopy(ids, 0, all, begin + pad, ids.length);
    return all;
  }

  private void addMarkers(String prefix) {
    String plain = prefix;
    for (String token : tokenizer.specialTokens()) {
      plain = plain.replace(token, "\n");
    }
    for (String line : plain.split("\n")) {
      if (!line.isBlank()) {
        markers.add(line.strip());
      }
    }
  }

  /** Ids that every record of a label starts with; a copy. */
  public int[] prefix(int label) {
    return prefixes[label].clone();
  }

  /**
   * A prefix that says nothing about the label, for label guidance while sampling: as long as the
   * label's own, by a neutral phrase and line ends in front, so that both run in one batch. It is
   * longer only where the label's prefix is shorter than the shortest neutral one.
   */
  public int[] genericPrefix(int label) {
    int wanted = prefixes[label].length;
    int[] newline = tokenizer.encode("\n");
    int[] best = null;
    for (String phrase : Phrases.GENERIC) {
      String text = fill("any", phrase);
      int[] ids = withBegin(tokenizer.encode(text, Tokenizer.SpecialTokens.AS_TOKENS), 0, 0);
      if (best == null || ids.length <= wanted && ids.length > best.length) {
        best = ids;
      }
    }
    int pad = newline.length == 1 ? wanted - best.length : 0;
    if (pad <= 0) {
      return best;
    }
    int begin = control.begin().isPresent() ? 1 : 0;
    return withBegin(Arrays.copyOfRange(best, begin, best.length), pad, newline[0]);
  }

  public int endToken() {
    return control.end();
  }

  public Labels labels() {
    return labels;
  }

  /**
   * Checks that every prefix, those of guidance included, leaves room for a token of text and the
   * end token: all of it public, so that no record decides whether a run can be made.
   *
   * @throws InputException if it does not
   */
  public void requireRoom(int maxTokens) {
    int longest = longestPrefix();
    for (int label = 0; label < prefixes.length; label++) {
      longest = Math.max(longest, genericPrefix(label).length);
    }
    if (maxTokens < longest + 2) {
      throw new InputException(
          "length: the prompt takes "
              + longest
              + " of "
              + maxTokens
              + " tokens; allow a longer record, at least "
              + (longest + 2));
    }
  }

  /** Length of the longest prefix; public. */
  public int longestPrefix() {
    return Arrays.stream(prefixes).mapToInt(prefix -> prefix.length).max().orElseThrow();
  }

  /**
   * A record as model input of at most {@code maxTokens} ids, a fixed public number. A text that
   * does not fit is cut and then has no end token, since it does not end there: the model never
   * learns to stop in mid-sentence. Control tokens that the text spells are text. Total in the
   * text, and in time bounded by {@code maxTokens}: bytes that cannot matter are not looked at.
   *
   * @param text UTF-8
   * @throws IllegalArgumentException if the prefix leaves no room: check {@link #requireRoom} first
   */
  public Encoded encodeRecord(int label, byte[] text, int maxTokens) {
    int[] prefix = prefixes[label];
    int room = maxTokens - prefix.length;
    if (room < 1) {
      throw new IllegalArgumentException("length: the prompt leaves no room for text");
    }
    int[] body = tokenizer.encode(lead(text, room));
    boolean whole = body.length < room;
    int length = Math.min(body.length, room);
    int[] ids = Arrays.copyOf(prefix, prefix.length + length + (whole ? 1 : 0));
    System.arraycopy(body, 0, ids, prefix.length, length);
    if (whole) {
      ids[ids.length - 1] = control.end();
    }
    return new Encoded(ids, prefix.length);
  }

  /**
   * The text's head that {@code room} tokens can hold, with the space that parts it from a prefix.
   */
  private byte[] lead(byte[] text, int room) {
    byte[] ink = Utf8.repair(Utf8.strip(text, text.length));
    long most = Math.min(ink.length, (room + 1L) * tokenizer.longestToken());
    byte[] head = Arrays.copyOf(ink, Utf8.floor(ink, (int) most));
    if (!leadingSpace) {
      return head;
    }
    byte[] spaced = new byte[head.length + 1];
    spaced[0] = ' ';
    System.arraycopy(head, 0, spaced, 1, head.length);
    return spaced;
  }

  /**
   * Reads a generated continuation back: up to the first control token, without outer white space,
   * and judges its form. The judgement sees the output alone, never a private record.
   *
   * @param ids what the model wrote after a prefix
   * @param minCharacters shorter texts are at fault
   */
  public Generated read(int[] ids, int minCharacters) {
    int end = 0;
    while (end < ids.length && !tokenizer.isSpecial(ids[end]) && ids[end] != control.end()) {
      end++;
    }
    boolean stopped = end < ids.length;
    boolean finished =
        stopped && (ids[end] == control.end() || tokenizer.endTokenCandidates().contains(ids[end]));
    byte[] bytes = tokenizer.decode(Arrays.copyOf(ids, end));
    byte[] whole = stopped ? bytes : Utf8.withoutOpenEnd(bytes);
    String text = Utf8.decode(whole).strip();
    return new Generated(text, finished, fault(text, whole, stopped != finished, minCharacters));
  }

  private Optional<Fault> fault(String text, byte[] bytes, boolean strayToken, int minCharacters) {
    if (text.isEmpty()) {
      return Optional.of(Fault.EMPTY);
    }
    if (strayToken || holdsMarker(text)) {
      return Optional.of(Fault.MARKER);
    }
    if (!Utf8.isValid(bytes)) {
      return Optional.of(Fault.BROKEN);
    }
    boolean tooShort = text.codePointCount(0, text.length()) < minCharacters;
    return tooShort ? Optional.of(Fault.TOO_SHORT) : Optional.empty();
  }

  /** A heading or sentence of the prompt at a line's start, a bare prompt word as a whole line. */
  private boolean holdsMarker(String text) {
    if (tokenizer.spellsSpecial(text)) {
      return true;
    }
    for (String line : text.split("\\R")) {
      String plain = line.strip();
      for (String marker : markers) {
        char last = marker.charAt(marker.length() - 1);
        boolean telling = last == ':' || last == '.';
        if (telling ? plain.startsWith(marker) : plain.equals(marker)) {
          return true;
        }
      }
    }
    return false;
  }
}
