package palimpsest.synth.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import palimpsest.synth.text.Template.Control;
import palimpsest.synth.text.Template.Encoded;
import palimpsest.synth.text.Template.Fault;
import palimpsest.synth.text.Template.Generated;

class TemplateTest {
  private static final Tokenizer SMALL = Tokenizers.small();
  private static final Control CONTROL = Control.of(SMALL);
  private static final Labels LABELS = Labels.of(List.of("neg", "card_arrival"));

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String prefixText(Template template, int label) {
    return Utf8.decode(SMALL.decode(template.prefix(label)));
  }

  private static Labels trec() {
    Map<String, String> descriptions = new LinkedHashMap<>();
    descriptions.put("LOC", "that asks about a place");
    descriptions.put("HUM", "a person.");
    descriptions.put("DESC", "asking for a reason");
    return Labels.of(descriptions);
  }

  @Test
  void describesTheRecordInASentence() {
    Template template = Template.describe(SMALL, trec(), "trivia question", CONTROL);
    assertEquals(
        "A trivia question that asks about a place.\nQuestion:\n", prefixText(template, 0));
    assertEquals("A trivia question about a person.\nQuestion:\n", prefixText(template, 1));
    assertEquals("A trivia question asking for a reason.\nQuestion:\n", prefixText(template, 2));
  }

  @Test
  void aLabelsOwnWordsDescribeItByDefault() {
    Template template = Template.describe(SMALL, LABELS, "e-mail", CONTROL);
    assertEquals("An e-mail about neg.\nE-mail:\n", prefixText(template, 0));
    assertEquals("An e-mail about card arrival.\nE-mail:\n", prefixText(template, 1));
    Template numbers =
        Template.describe(SMALL, Labels.of(List.of("1", "camelCase")), "text", CONTROL);
    assertEquals("A text of class 1.\nText:\n", prefixText(numbers, 0));
    assertEquals("A text about camel case.\nText:\n", prefixText(numbers, 1));
    Template unlabelled = Template.describe(SMALL, Labels.single(), "clinical note", CONTROL);
    assertEquals("A clinical note.\nNote:\n", prefixText(unlabelled, 0));
  }

  @Test
  void aCustomTemplateMovesItsLastSpaceIntoTheText() {
    Template template =
        Template.custom(SMALL, LABELS, "note", "<|endoftext|>[{label}/{kind}]: {text}", CONTROL);
    assertEquals("<|endoftext|>[card arrival/note]:", prefixText(template, 1));
    Encoded encoded = template.encodeRecord(1, utf8(" \nhello there\n"), 100);
    int[] text = Arrays.copyOfRange(encoded.ids(), encoded.prefixLength(), encoded.ids().length);
    assertArrayEquals(SMALL.encode(" hello there"), Arrays.copyOf(text, text.length - 1));
    assertEquals(CONTROL.end(), text[text.length - 1]);
    assertEquals(262, encoded.ids()[0]);
  }

  @Test
  void badTemplatesAreOneClearLine() {
    for (String pattern :
        List.of(
            "{label}",
            "{text} {label}:{text}",
            "no label {text}",
            "{labl}{label}{text}",
            "{text}",
            "{label}{text}!",
            "x".repeat(3000) + "{label}{text}")) {
      InputException e =
          assertThrows(
              InputException.class, () -> Template.custom(SMALL, LABELS, "text", pattern, CONTROL));
      assertFalse(e.getMessage().contains("\n"));
    }
    for (String kind : List.of("", " ", "a\nb", "x".repeat(200), "<|im_end|>")) {
      assertThrows(InputException.class, () -> Template.describe(SMALL, LABELS, kind, CONTROL));
    }
    Labels control = Labels.of(List.of("a", "<|im_end|>"));
    assertThrows(InputException.class, () -> Template.describe(SMALL, control, "text", CONTROL));
    Control outside = new Control(OptionalInt.empty(), 9999);
    assertThrows(InputException.class, () -> Template.describe(SMALL, LABELS, "text", outside));
  }

  @Test
  void filledInWordsAreNoPlaceholders() {
    Labels labels = Labels.of(List.of("{text}", "{kind}"));
    Template template = Template.describe(SMALL, labels, "{label}", CONTROL);
    assertEquals(
        "A {label} about {text}.\nlabel:\n", prefixText(template, 0).replace("Label", "label"));
  }

  @Test
  void aRecordIsPrefixTextAndEnd() {
    Template template = Template.describe(SMALL, LABELS, "text", CONTROL);
    Encoded encoded = template.encodeRecord(0, utf8("hello"), 64);
    int[] expected = Arrays.copyOf(template.prefix(0), encoded.prefixLength() + 2);
    expected[encoded.prefixLength()] = 261;
    expected[encoded.prefixLength() + 1] = 264;
    assertArrayEquals(expected, encoded.ids());
    assertEquals(template.prefix(0).length, encoded.prefixLength());
    assertEquals("Encoded[private]", encoded.toString());
  }

  @Test
  void aCutTextHasNoEndToken() {
    Template template = Template.describe(SMALL, LABELS, "text", CONTROL);
    int prefix = template.prefix(0).length;
    byte[] five = utf8("vwxyz");
    assertEquals(264, last(template.encodeRecord(0, five, prefix + 6)));
    assertEquals('z', last(template.encodeRecord(0, five, prefix + 5)));
    assertEquals('x', last(template.encodeRecord(0, five, prefix + 3)));
    assertThrows(IllegalArgumentException.class, () -> template.encodeRecord(0, five, prefix));
  }

  @Test
  void theLongestPromptOfAllDecidesHowLongARecordMustBe() {
    Template template = Template.describe(SMALL, LABELS, "text", CONTROL);
    int longest = template.longestPrefix();
    for (int label = 0; label < LABELS.size(); label++) {
      longest = Math.max(longest, template.genericPrefix(label).length);
    }
    int enough = longest + 2;
    template.requireRoom(enough);
    assertThrows(InputException.class, () -> template.requireRoom(enough - 1));
  }

  private static int last(Encoded encoded) {
    return encoded.ids()[encoded.ids().length - 1];
  }

  @Test
  void hostileRecordsEncodeWithinTheirLength() {
    Template template = Template.describe(SMALL, LABELS, "text", CONTROL);
    Random random = new Random(19);
    byte[] attack = utf8("x<|im_end|>\n<|im_start|>\u4e2d\ud83d\ude00 hello \t\t\u0000");
    for (int round = 0; round < 2000; round++) {
      byte[] text = Mutations.of(attack, random);
      int limit = template.longestPrefix() + 1 + random.nextInt(40);
      Encoded encoded = template.encodeRecord(round % 2, text, limit);
      assertTrue(encoded.ids().length <= limit);
      int length = encoded.ids().length;
      for (int i = encoded.prefixLength(); i < length - 1; i++) {
        assertFalse(SMALL.isSpecial(encoded.ids()[i]));
      }
    }
    byte[] huge = new byte[1 << 20];
    Arrays.fill(huge, (byte) 0x80);
    assertEquals(100, template.encodeRecord(0, huge, 100).ids().length);
    assertEquals(264, last(template.encodeRecord(0, new byte[0], 100)));
  }

  @Test
  void cuttingBytesBeforehandChangesNoToken() {
    Tokenizer tokenizer = Tokenizers.gpt2();
    Template template = Template.describe(tokenizer, LABELS, "text", Control.of(tokenizer));
    String text =
        "The quick brown fox, aged 12, didn't jump over the lazy dog's   house. ".repeat(400);
    int[] whole = tokenizer.encode(text);
    Encoded encoded = template.encodeRecord(0, utf8(text), 200);
    int prefix = encoded.prefixLength();
    assertArrayEquals(
        Arrays.copyOf(whole, 200 - prefix), Arrays.copyOfRange(encoded.ids(), prefix, 200));
  }

  @Test
  void theGenericPrefixIsAsLong() {
    for (Tokenizer tokenizer : List.of(SMALL, Tokenizers.gpt2(), Tokenizers.smollm2())) {
      Control control = new Control(OptionalInt.of(5), Control.of(tokenizer).end());
      for (Template template :
          List.of(
              Template.describe(tokenizer, trec(), "trivia question", control),
              Template.custom(tokenizer, trec(), "x", "{label}: {description}: {text}", control))) {
        for (int label = 0; label < 3; label++) {
          int[] generic = template.genericPrefix(label);
          assertEquals(template.prefix(label).length, generic.length);
          assertEquals(5, generic[0]);
          assertNotEquals(Arrays.toString(template.prefix(label)), Arrays.toString(generic));
        }
      }
    }
  }

  @Test
  void theGenericPrefixTellsNoLabel() {
    Template template = Template.describe(SMALL, trec(), "trivia question", CONTROL);
    String generic = Utf8.decode(SMALL.decode(template.genericPrefix(0)));
    assertTrue(generic.strip().startsWith("A trivia question"), generic);
    assertTrue(generic.endsWith(".\nQuestion:\n"), generic);
    assertFalse(generic.contains("place"));
  }

  private static int[] written(String text, int... end) {
    return IntStream.concat(Arrays.stream(SMALL.encode(text)), Arrays.stream(end)).toArray();
  }

  @Test
  void readsBackWhatItEncoded() {
    Template template = Template.custom(SMALL, LABELS, "text", "{label}: {text}", CONTROL);
    String text = "hello, \u4e2d\u6587\nline";
    int[] ids = template.encodeRecord(0, utf8(text), 200).ids();
    int[] written = Arrays.copyOfRange(ids, template.prefix(0).length, ids.length);
    assertEquals(new Generated(text, true, Optional.empty()), template.read(written, 3));
    assertEquals(
        new Generated("hello", true, Optional.empty()),
        template.read(written("hello", 262, 'x', 'y'), 3));
  }

  @Test
  void judgesTheFormOfOutputs() {
    Template template = Template.describe(SMALL, LABELS, "movie review", CONTROL);
    assertEquals(Optional.of(Fault.EMPTY), template.read(written(" \n", 264), 1).fault());
    assertEquals(Optional.of(Fault.EMPTY), template.read(new int[0], 1).fault());
    assertEquals(Optional.of(Fault.TOO_SHORT), template.read(written("abc", 264), 4).fault());
    assertEquals(
        Optional.of(Fault.MARKER), template.read(written("good\nReview: bad", 264), 1).fault());
    assertEquals(
        Optional.of(Fault.MARKER),
        template.read(written("x\nA movie review about neg. y", 264), 1).fault());
    assertEquals(Optional.of(Fault.MARKER), template.read(written("a <|im_end|>", 264), 1).fault());
    assertEquals(Optional.of(Fault.MARKER), template.read(written("abc", 263), 1).fault());
    assertEquals(
        Optional.of(Fault.BROKEN), template.read(new int[] {'a', 0xE2, 'b', 264}, 1).fault());
    Generated cut = template.read(new int[] {'a', 'b', 0xE2, 0x82}, 1);
    assertEquals(new Generated("ab", false, Optional.empty()), cut);
    assertEquals(Optional.empty(), template.read(written("A review: fine.", 264), 1).fault());
  }

  @Test
  void theDefaultForSmollm2IsWhatWasMeasured() {
    Tokenizer tokenizer = Tokenizers.smollm2();
    Template template =
        Template.describe(tokenizer, trec(), "trivia question", Control.of(tokenizer));
    assertEquals(2, template.endToken());
    assertArrayEquals(
        tokenizer.encode("A trivia question that asks about a place.\nQuestion:\n"),
        template.prefix(0));
  }
}
