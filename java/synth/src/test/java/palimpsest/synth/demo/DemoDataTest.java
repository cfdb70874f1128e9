package palimpsest.synth.demo;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import palimpsest.synth.demo.DemoData.Message;
import palimpsest.synth.evaluate.Diversity;
import palimpsest.synth.evaluate.NaiveBayes;
import palimpsest.synth.evaluate.SecretScan;
import palimpsest.synth.text.Tokenizer;
import palimpsest.testing.Shared;

class DemoDataTest {
  private static final DemoData DATA = DemoData.load();
  private static final Pattern IDENTIFIER = Pattern.compile("(?i)LQ-?\\d|555|\\d{5}");

  private static List<String> texts(List<Message> messages) {
    return messages.stream().map(Message::text).toList();
  }

  private static List<String> labels(List<Message> messages) {
    return messages.stream().map(Message::label).toList();
  }

  @Test
  void theShippedFilesAreWhatTheGeneratorWrites() {
    DemoData generated = DemoData.generate();
    assertEquals(generated, DATA);
    generated
        .files()
        .forEach((name, bytes) -> assertArrayEquals(DemoData.resource(name), bytes, name));
  }

  @Test
  void writesTheFilesItShips(@TempDir Path folder) throws IOException {
    Path target = folder.resolve("new");
    DemoData.main(new String[] {target.toString()});
    for (Map.Entry<String, byte[]> file : DATA.files().entrySet()) {
      Path written = target.resolve(file.getKey());
      byte[] raw = Files.readAllBytes(written);
      if (file.getKey().endsWith(".gz")) {
        // No time of writing in the gzip header, so that a second run gives the same bytes.
        assertArrayEquals(new byte[4], Arrays.copyOfRange(raw, 4, 8));
        try (InputStream in = new GZIPInputStream(Files.newInputStream(written))) {
          raw = in.readAllBytes();
        }
      }
      assertArrayEquals(file.getValue(), raw, file.getKey());
    }
  }

  @Test
  void everyLabelHasItsDescriptionAndItsShare() {
    assertEquals(8, DATA.labels().size());
    DATA.labels()
        .forEach(l -> assertTrue(l.name().matches("[a-z]+") && l.description().length() > 40));
    Map<String, Long> train = count(DATA.messages());
    Map<String, Long> heldOut = count(DATA.heldOut());
    for (DemoData.Label label : DATA.labels()) {
      assertEquals(DemoData.MESSAGES / 8, train.get(label.name()));
      assertEquals(DemoData.HELD_OUT / 8, heldOut.get(label.name()));
    }
  }

  private static Map<String, Long> count(List<Message> messages) {
    return messages.stream().collect(Collectors.groupingBy(Message::label, Collectors.counting()));
  }

  @Test
  void everySecretStandsOnceWhereItsEntrySays() {
    String all = String.join("\n", texts(DATA.messages()));
    assertEquals(DemoData.SECRETS, DATA.secrets().size());
    assertEquals(
        Map.of(Secret.Kind.ACCOUNT, 10L, Secret.Kind.PHONE, 10L, Secret.Kind.NAME, 10L),
        DATA.secrets().stream()
            .collect(Collectors.groupingBy(Secret::kind, Collectors.counting())));
    for (Secret secret : DATA.secrets()) {
      String text = DATA.messages().get(secret.line() - 1).text();
      assertTrue(text.startsWith(secret.context() + secret.text()), "line " + secret.line());
      assertEquals(all.indexOf(secret.text()), all.lastIndexOf(secret.text()));
    }
    assertEquals(30, DATA.secrets().stream().map(Secret::line).distinct().count());
    List<String> secrets = DATA.secrets().stream().map(Secret::text).toList();
    assertEquals(30, SecretScan.of(secrets, texts(DATA.messages())).hits().size());
  }

  @Test
  void noOtherMessageIdentifiesAnybody() {
    Set<Integer> planted = DATA.secrets().stream().map(Secret::line).collect(Collectors.toSet());
    Set<String> families =
        Decoys.of(new Secret(1, Secret.Kind.NAME, "", ""), 2400).stream()
            .map(name -> name.split(" ")[1].toLowerCase())
            .collect(Collectors.toSet());
    assertEquals(50, families.size());
    for (int line = 1; line <= DemoData.MESSAGES; line++) {
      if (!planted.contains(line)) {
        assertAnonymous(DATA.messages().get(line - 1).text(), families);
      }
    }
    texts(DATA.heldOut()).forEach(text -> assertAnonymous(text, families));
    List<String> secrets = DATA.secrets().stream().map(Secret::text).toList();
    assertEquals(0, SecretScan.of(secrets, texts(DATA.heldOut())).leaked().successes());
  }

  private static void assertAnonymous(String text, Set<String> families) {
    assertFalse(IDENTIFIER.matcher(text).find(), text);
    for (String word : text.toLowerCase().split("[^a-z-]+")) {
      assertFalse(families.contains(word), text);
    }
  }

  @Test
  void aJudgeFindsTheLabelMostlyButNotAlways() {
    List<String> texts = texts(DATA.messages());
    List<String> labels = labels(DATA.messages());
    double half =
        NaiveBayes.train(texts.subList(0, 2500), labels.subList(0, 2500))
            .accuracy(texts.subList(2500, 5000), labels.subList(2500, 5000))
            .value();
    assertTrue(half >= 0.85 && half <= 0.985, "half against half: " + half);
    double heldOut =
        NaiveBayes.train(texts, labels)
            .accuracy(texts(DATA.heldOut()), labels(DATA.heldOut()))
            .value();
    assertTrue(heldOut >= 0.85 && heldOut <= 0.995, "held out: " + heldOut);
    double few =
        NaiveBayes.train(texts.subList(0, 100), labels.subList(0, 100))
            .accuracy(texts(DATA.heldOut()), labels(DATA.heldOut()))
            .value();
    assertTrue(few < 0.75, "a hundred messages must not be enough: " + few);
  }

  @Test
  void theMessagesAreVaried() {
    List<String> texts = texts(DATA.messages());
    Map<String, Long> words =
        texts.stream()
            .flatMap(text -> Stream.of(text.toLowerCase().split("[^a-z']+")))
            .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    long common = words.values().stream().filter(n -> n >= 3).count();
    assertTrue(common > 1500, "words that occur three times or more: " + common);
    Diversity diversity = Diversity.of(texts);
    assertEquals(0, diversity.duplicateShare());
    assertTrue(diversity.distinct2() > 0.15 && diversity.distinct2() < 0.5, "" + diversity);
    assertTrue(diversity.selfRepetition() < 0.02, "" + diversity);
    assertTrue(diversity.meanWords() > 15 && diversity.meanWords() < 23, "" + diversity);
    Set<String> train = new HashSet<>(texts);
    assertTrue(texts(DATA.heldOut()).stream().noneMatch(train::contains));
    // A message that differs from another in spelling or signs only is rare too.
    long bare =
        texts.stream().map(t -> t.toLowerCase().replaceAll("[^a-z ]", "")).distinct().count();
    assertTrue(bare > 0.97 * texts.size(), "distinct but for signs and numbers: " + bare);
  }

  @Test
  void everyMessageIsOneWellFormedLine() {
    for (Message message :
        Stream.of(DATA.messages(), DATA.heldOut()).flatMap(List::stream).toList()) {
      String text = message.text();
      int words = text.split(" ").length;
      assertTrue(words >= 4 && words <= 45, text);
      assertEquals(text.strip(), text);
      assertFalse(text.matches(".*([{}|<>@#\\n\\t]|  | [.,;:?!]|,\\.).*"), text);
    }
  }

  @Test
  void lengthsInTokensOfGpt2() {
    Tokenizer tokenizer = Tokenizer.read(Shared.file("data/tokenizers/gpt2/tokenizer.json.gz"));
    List<String> all =
        Stream.concat(texts(DATA.messages()).stream(), texts(DATA.heldOut()).stream()).toList();
    int[] lengths = all.stream().mapToInt(text -> tokenizer.encode(text).length).toArray();
    double mean = Arrays.stream(lengths).average().orElseThrow();
    assertTrue(mean > 20 && mean < 25, "mean " + mean);
    int max = Arrays.stream(lengths).max().orElseThrow();
    assertTrue(max <= 60, "max " + max);
  }
}
