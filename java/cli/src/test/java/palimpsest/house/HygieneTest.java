package palimpsest.house;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** What the repository's text files must not hold, and what its documents must. */
class HygieneTest {
  private static final Pattern TEXT =
      Pattern.compile(
          "(?:.*/)?(?:[^./]+|\\.[\\w-]+|.*\\.(?:java|cpp|h|cu|cuh|def|md|xml|cmake|txt|sh|py|yml|json|csv))$");
  private static final Pattern CODE = Pattern.compile(".*\\.(?:java|cpp|h|cu|cuh|def)$");

  // The forbidden words are put together here, so that this file does not hold them.
  private static final Pattern MACHINE_PATH =
      Pattern.compile("(?<![\\w.])/(?:wo" + "rk|ro" + "ot|ho" + "me/\\w)(?![\\w-])|/wo" + "rk/");
  private static final Pattern UNFINISHED =
      Pattern.compile("\\b(?:TO" + "DO|FIX" + "ME|X" + "XX)\\b");
  // A call, a block's first line, an assignment or declaration: the whole comment line, since prose
  // holds formulas.
  private static final Pattern COMMENTED_CODE =
      Pattern.compile(
          "^\\s*//\\s*(?:[\\w.<>]+\\(.*\\);|.*\\)\\s*\\{|[\\w.<>*\\[\\]]+(?:\\s+\\w+)?\\s*=[^=].*;)\\s*$");
  private static final Pattern VERSIONED_NAME =
      Pattern.compile(
          "(?:^|[_-])v\\d+(?:[._-]|$)|[a-z]V\\d+\\b|[_-](?:old|new|final|copy)\\.|\\.(?:orig|rej|bak|swp)$",
          Pattern.CASE_INSENSITIVE);
  private static final Pattern FAULT = Pattern.compile("\\| (R\\d\\d) \\|[^|]*\\| (.*) \\|");
  private static final int FAULTS = 44;
  private static final Pattern IS_TEST =
      Pattern.compile("@(Test|ParameterizedTest|TestFactory|RepeatedTest|Property|Example)\\b");
  private static final Pattern CLAIM = Pattern.compile("`(\\w+Test)\\.(\\w+)`");

  @Test
  void noMachinePaths() {
    assertEquals(List.of(), linesThatMatch(TEXT, MACHINE_PATH.asPredicate()));
  }

  @Test
  void nothingUnfinishedOrCommentedOut() {
    assertEquals(List.of(), linesThatMatch(TEXT, UNFINISHED.asPredicate()));
    assertEquals(List.of(), linesThatMatch(CODE, COMMENTED_CODE.asPredicate()));
  }

  @Test
  void noTabs() {
    assertEquals(List.of(), linesThatMatch(CODE, line -> line.indexOf('\t') >= 0));
  }

  @Test
  void noVersionNumbersInNames() {
    List<String> names =
        Repository.files().stream()
            .filter(file -> VERSIONED_NAME.matcher(file.getFileName().toString()).find())
            .map(Path::toString)
            .toList();
    assertEquals(List.of(), names);
  }

  @Test
  void theFrontDocumentsExist() {
    for (String file : List.of("README.md", "CHANGELOG.md", "LICENSE", "palimpsest", ".ci/run")) {
      assertTrue(Repository.has(file), file + " is missing");
    }
    assertTrue(Repository.lines(Path.of("CHANGELOG.md")).contains("## Unreleased"));
  }

  @Test
  void everyTestThatThePrivacyDocumentNamesExists() {
    Path document = Path.of("docs/privacy.md");
    Assumptions.assumeTrue(Repository.has(document.toString()), "needs " + document);
    List<String> missing = new ArrayList<>();
    int claims = 0;
    for (String line : Repository.lines(document)) {
      Matcher claim = CLAIM.matcher(line);
      while (claim.find()) {
        claims++;
        if (!hasTest(claim.group(1), claim.group(2))) {
          missing.add(claim.group(1) + "." + claim.group(2));
        }
      }
    }
    assertEquals(List.of(), missing, "tests that " + document + " names");
    assertTrue(claims > 0, document + " names no test");
  }

  /**
   * A lemma, a row of a table and, from the proofs on, each paragraph of the privacy document names
   * its test; a row may begin with "not covered" instead.
   */
  @Test
  void everyClaimOfThePrivacyDocumentHasATest() {
    List<String> bare = new ArrayList<>();
    String lemma = null;
    for (String line : Repository.lines(Path.of("docs/privacy.md"))) {
      boolean tested = CLAIM.matcher(line).find();
      if (line.startsWith("*Lemma") || line.startsWith("## ")) {
        if (lemma != null) {
          bare.add(lemma);
        }
        lemma = line.startsWith("*Lemma") ? line : null;
      } else if (tested) {
        lemma = null;
      }
      boolean row =
          line.startsWith("| ") && !line.startsWith("| leak") && !line.startsWith("| file");
      if (row && !tested && !line.contains(" | not covered")) {
        bare.add(line);
      }
    }
    assertEquals(List.of(), bare, "claims without a test");
    assertEquals(List.of(), bareParagraphs(), "paragraphs without a test");
  }

  private static List<String> bareParagraphs() {
    String text = String.join("\n", Repository.lines(Path.of("docs/privacy.md")));
    int from = text.indexOf("\n## Why it holds");
    int to = text.indexOf("\n## A second reading");
    assertTrue(0 < from && from < to, "the sections of the privacy document");
    return Stream.of(text.substring(from, to).split("\n\n+"))
        .map(String::strip)
        .filter(paragraph -> !paragraph.startsWith("##"))
        .filter(paragraph -> !CLAIM.matcher(paragraph).find())
        .toList();
  }

  /** Every numbered fault has a test that carries its number, or says why there is none yet. */
  @Test
  void everyNumberedFaultHasItsTest() {
    List<String> wrong = new ArrayList<>();
    List<String> numbers = new ArrayList<>();
    for (String line : Repository.lines(Path.of("docs/faults.md"))) {
      Matcher row = FAULT.matcher(line);
      if (!row.matches()) {
        continue;
      }
      numbers.add(row.group(1));
      Matcher claim = CLAIM.matcher(row.group(2));
      boolean tagged = claim.find() && hasTag(claim.group(1), claim.group(2), row.group(1));
      if (!tagged && !row.group(2).startsWith("not yet: ")) {
        wrong.add(line);
      }
    }
    assertEquals(List.of(), wrong, "rows without a test that carries their number");
    List<String> all =
        IntStream.rangeClosed(1, FAULTS).mapToObj(number -> "R%02d".formatted(number)).toList();
    assertEquals(all, numbers);
  }

  /** Whether the tag stands among the annotations of the test, right above it. */
  private static boolean hasTag(String type, String method, String tag) {
    Pattern tagged =
        Pattern.compile(
            "@Tag\\(\"" + tag + "\"\\)\\s+(@[^\n]*\\s+)*(public )?void " + method + "\\(");
    return Repository.files().stream()
        .filter(file -> file.toString().contains("src/test/java") && file.endsWith(type + ".java"))
        .anyMatch(file -> tagged.matcher(String.join("\n", Repository.lines(file))).find());
  }

  private static boolean hasTest(String type, String method) {
    return Repository.files().stream()
        .filter(file -> file.toString().contains("src/test/java") && file.endsWith(type + ".java"))
        .anyMatch(file -> hasTest(Repository.lines(file), method));
  }

  /** Whether the method is declared there under annotations that make it run. */
  private static boolean hasTest(List<String> lines, String method) {
    for (int i = 0; i < lines.size(); i++) {
      if (lines.get(i).contains(" void " + method + "(")) {
        int first = i;
        while (first > 0 && !lines.get(first - 1).isBlank()) {
          first--;
        }
        String above = String.join("\n", lines.subList(first, i));
        return IS_TEST.matcher(above).find() && !above.contains("@Disabled");
      }
    }
    return false;
  }

  /** Every numbered fault that has a test is planted as well. */
  @Test
  void everyNumberedFaultWithATestIsPlanted() {
    Set<String> planted =
        Repository.files().stream()
            .filter(file -> file.startsWith("mutations") && file.toString().endsWith(".patch"))
            .flatMap(file -> Repository.lines(file).stream())
            .filter(line -> line.startsWith("# fault: "))
            .map(line -> line.substring("# fault: ".length()).strip())
            .collect(Collectors.toSet());
    List<String> missing =
        Repository.lines(Path.of("docs/faults.md")).stream()
            .map(FAULT::matcher)
            .filter(row -> row.matches() && !row.group(2).startsWith("not yet: "))
            .map(row -> row.group(1))
            .filter(number -> !planted.contains(number))
            .toList();
    assertEquals(List.of(), missing, "numbered faults that no patch in mutations/ plants");
  }

  @Test
  void theRulesFindWhatTheyLookFor() {
    assertTrue(MACHINE_PATH.matcher("see /wo" + "rk/main").find());
    assertTrue(MACHINE_PATH.matcher("in /ro" + "ot").find());
    assertFalse(MACHINE_PATH.matcher("the folder network/working and $HOME/root").find());
    assertTrue(UNFINISHED.matcher("// TO" + "DO later").find());
    assertTrue(COMMENTED_CODE.matcher("  // int x = f(1);").find());
    assertTrue(COMMENTED_CODE.matcher("// run(now);").find());
    assertTrue(COMMENTED_CODE.matcher("    // if (x > 0) {").find());
    assertFalse(COMMENTED_CODE.matcher("// m decays towards g, g = scale * sums;").find());
    assertFalse(COMMENTED_CODE.matcher("  // The sum, which stays exact; see below.").find());
    for (String bad :
        Set.of("Gemm_v2.java", "kernelV3.cpp", "clip_old.cpp", "v2-notes.md", "a.h.orig")) {
      assertTrue(VERSIONED_NAME.matcher(bad).find(), bad);
    }
    for (String good :
        Set.of("ChaCha20.java", "avx512.h", "Renewal.java", "Gpt2Test.java", "division.cpp")) {
      assertFalse(VERSIONED_NAME.matcher(good).find(), good);
    }
    assertTrue(hasTest("HygieneTest", "theRulesFindWhatTheyLookFor"));
    assertFalse(hasTest("HygieneTest", "noSuchTest"));
  }

  private static List<String> linesThatMatch(Pattern files, Predicate<String> bad) {
    List<String> found = new ArrayList<>();
    for (Path file : Repository.files()) {
      if (!files.matcher(file.toString()).matches()) {
        continue;
      }
      int number = 0;
      for (String line : Repository.lines(file)) {
        number++;
        if (bad.test(line)) {
          found.add(file + ":" + number);
        }
      }
    }
    return found;
  }
}
