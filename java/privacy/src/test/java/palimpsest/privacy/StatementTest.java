package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.junit.jupiter.api.Test;

class StatementTest {
  private static final LedgerHead HEAD = new LedgerHead(12, "ab".repeat(32));

  private static MechanismSpec spec() {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.25, 0.1, 250, 30_000, 800, 1.2e-5);
  }

  private static Statement.Account account(EpsilonBracket total, Waiver... waivers) {
    return new Statement.Account(total, Set.of(waivers), HEAD);
  }

  private static Statement statement(MechanismSpec spec, boolean insecure, Set<Waiver> waivers) {
    EpsilonBracket run = new EpsilonBracket(1.2340001, 1.2345001, 1.5);
    EpsilonBracket total = new EpsilonBracket(2.1, 2.2, 2.5);
    return new Statement(
        "visits",
        "base",
        spec,
        800,
        Optional.empty(),
        run,
        insecure,
        waivers,
        new Statement.Account(total, waivers, HEAD));
  }

  @Test
  void saysEverythingThatAnEpsilonNeeds() {
    String text = statement(spec(), false, Set.of()).text();
    assertTrue(
        text.startsWith(
            "Differential privacy with epsilon 1.235 and delta 0.000012, for one record being in the data or not.\n"),
        text);
    for (String needed :
        List.of(
            "add or remove one record",
            "Poisson",
            "800 of 800",
            "bounded by 0.1",
            "1.25 times",
            "expected batch of 250",
            "between 1.234 and 1.235",
            "at most 1.5",
            "Timing",
            "settings tried, prompts",
            "base model base",
            "several records",
            "epsilon 2.2 at delta",
            "12 records",
            HEAD.hash())) {
      assertTrue(text.contains(needed), "missing: " + needed + "\n" + text);
    }
  }

  /** Which rule, and with the one that counts, what that took from the sum. */
  @Test
  void saysHowItWasClipped() {
    assertTrue(statement(spec(), false, Set.of()).text().contains("- Clip rule: flat: the whole"));
    for (ClipRule rule : List.of(new ClipRule.PerLayer(), new ClipRule.Automatic(0.25))) {
      Statement statement = statement(spec().withClipRule(rule), false, Set.of());
      assertTrue(statement.text().contains("- Clip rule: " + rule.words() + ".\n"));
      assertEquals(rule.id(), statement.content().get("clipRule"));
      assertEquals(1.25, statement.content().get("sumNoiseMultiplier"));
    }
    ClipRule counts = new ClipRule.Quantile(0.5, 0.2, OptionalDouble.of(1.25));
    Statement statement = statement(spec().withClipRule(counts), false, Set.of());
    for (String needed :
        List.of(
            "bounded by C, at the first step 0.1,",
            "the count has noise of 1.25 records and is charged.",
            "1.443 times the bound, which with the count costs what 1.25 alone does")) {
      assertTrue(statement.text().contains(needed), needed + "\n" + statement.text());
    }
    assertEquals(1.25, statement.content().get("noiseMultiplier"));
    assertEquals(
        1.25 / Math.sqrt(0.75), (double) statement.content().get("sumNoiseMultiplier"), 1e-12);
    assertEquals(counts.words(), statement.content().get("clipRuleInWords"));
  }

  /** The account was priced at the exact delta: a smaller one must not be printed. */
  @Test
  void roundsDeltaUp() {
    MechanismSpec spec =
        MechanismSpec.of(
            NeighbouringRelation.ADD_REMOVE, 1.25, 0.1, 250, 10_000, 800, Math.pow(10_000, -1.1));
    String text = statement(spec, false, Set.of()).text();
    assertTrue(text.contains("delta 0.00003982"), text);
    assertFalse(text.contains("0.00003981"), text);
  }

  /** What was released besides the updates is named, even if a crash took it. */
  @Test
  void namesTheLabelCounts() {
    EpsilonBracket run = new EpsilonBracket(1.2, 1.3, 1.5);
    for (boolean lost : List.of(false, true)) {
      Statement statement =
          new Statement(
              "visits",
              "base",
              spec(),
              800,
              Optional.of(new Statement.LabelCounts(10, lost)),
              run,
              false,
              Set.of(),
              account(run));
      assertTrue(statement.text().contains("noise of 10 records; epsilon includes it"));
      assertEquals(lost, statement.text().contains("A crash took the counts"));
      assertEquals(10.0, statement.content().get("labelNoise"));
    }
    String text = statement(spec(), false, Set.of()).text();
    assertFalse(text.contains("Label counts"), text);
    assertEquals("none", statement(spec(), false, Set.of()).content().get("labelNoise"));
  }

  /** Rounding never makes a guarantee look better than it is. */
  @Test
  void roundsEpsilonUpAndItsLowerBoundDown() {
    EpsilonBracket run = new EpsilonBracket(0.99999, 1.00001, 1.10001);
    Statement statement =
        new Statement(
            "visits", "base", spec(), 800, Optional.empty(), run, false, Set.of(), account(run));
    assertTrue(statement.text().contains("between 0.9999 and 1.001 "), statement.text());
    assertTrue(statement.text().contains("at most 1.101."), statement.text());
    assertEquals(1.00001, statement.content().get("epsilon"));
  }

  @Test
  void anEpsilonWithoutOddsSaysNothing() {
    EpsilonBracket run = new EpsilonBracket(799, 800, 900);
    Statement statement =
        new Statement(
            "visits", "base", spec(), 800, Optional.empty(), run, false, Set.of(), account(run));
    assertTrue(statement.text().contains("What this means. Nothing:"), statement.text());
  }

  @Test
  void theOddsAndTheGuessAreThoseOfTheBound() {
    String text = statement(spec(), false, Set.of()).text();
    assertTrue(text.contains("at most 3.437 times that"), text);
    assertTrue(text.contains("right at most\n77.47 % of"), text);
  }

  /** R24, R37, R20: no noise, an infinite epsilon or a known key is said first. */
  @Test
  void nonPrivateRunsSaySoInTheirFirstLine() {
    EpsilonBracket infinite = new EpsilonBracket(50, Double.POSITIVE_INFINITY, 1);
    MechanismSpec noiseless =
        MechanismSpec.nonPrivate(NeighbouringRelation.ADD_REMOVE, 1, 10, 100, 5, 1e-5);
    EpsilonBracket nothing =
        new EpsilonBracket(
            Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY, Double.POSITIVE_INFINITY);
    for (Statement statement :
        List.of(
            statement(spec(), true, Set.of()),
            new Statement(
                "visits",
                "base",
                spec(),
                800,
                Optional.empty(),
                infinite,
                false,
                Set.of(),
                account(infinite)),
            new Statement(
                "visits",
                "base",
                noiseless,
                5,
                Optional.empty(),
                nothing,
                false,
                Set.of(),
                account(nothing)))) {
      assertTrue(statement.nonPrivate());
      String first = statement.text().lines().findFirst().orElseThrow();
      assertTrue(first.startsWith("NON-PRIVATE: "), first);
      assertFalse(statement.text().contains("What this means"));
      assertEquals(false, statement.content().get("private"));
      assertEquals("infinity", statement.content().get("epsilon"));
    }
    assertFalse(statement(spec(), false, Set.of()).nonPrivate());
    assertFalse(statement(spec(), false, Set.of()).text().contains("NON-PRIVATE"));
  }

  @Test
  void claimsNothingThatMayNotBeClaimed() {
    for (boolean insecure : new boolean[] {false, true}) {
      Statement statement = statement(spec(), insecure, Set.of(Waiver.values()));
      String all = (statement.text() + statement.content()).toLowerCase(Locale.ROOT);
      for (String never : List.of("anonym", "provably private", "cannot be identified")) {
        assertFalse(all.contains(never), never);
      }
    }
  }

  @Test
  void waiversStandInTheStatement() {
    Statement waived =
        statement(spec(), false, Set.of(Waiver.SIZE_IS_PUBLIC, Waiver.LABELS_ARE_PUBLIC));
    assertTrue(waived.text().contains(Waiver.SIZE_IS_PUBLIC.sentence()));
    assertTrue(waived.text().contains(Waiver.LABELS_ARE_PUBLIC.sentence()));
    assertEquals(List.of("SIZE_IS_PUBLIC", "LABELS_ARE_PUBLIC"), waived.content().get("waivers"));
    String plain = statement(spec(), false, Set.of()).text();
    assertFalse(plain.contains("declared"));
  }

  /** A run without waivers does not hide those of the runs before it. */
  @Test
  void waiversOfEarlierRunsStandBesideTheTotal() {
    EpsilonBracket run = new EpsilonBracket(1, 1.1, 1.2);
    Statement statement =
        new Statement(
            "visits",
            "base",
            spec(),
            800,
            Optional.empty(),
            run,
            false,
            Set.of(),
            account(run, Waiver.SIZE_IS_PUBLIC, Waiver.LABELS_ARE_PUBLIC));
    assertTrue(
        statement
            .text()
            .contains(
                "Not covered by this total, in one run or more: the number of records; the names of the labels.\n"),
        statement.text());
    assertEquals(List.of(), statement.content().get("waivers"));
    assertEquals(
        List.of("SIZE_IS_PUBLIC", "LABELS_ARE_PUBLIC"), statement.content().get("totalWaivers"));
    assertFalse(statement(spec(), false, Set.of()).text().contains("Not covered by this total"));
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new Statement(
                "visits",
                "base",
                spec(),
                800,
                Optional.empty(),
                run,
                false,
                Set.of(Waiver.SIZE_IS_PUBLIC),
                account(run)));
  }

  @Test
  void usersAndReplacementAreNamed() {
    MechanismSpec spec =
        MechanismSpec.of(NeighbouringRelation.REPLACE_ONE, 1.25, 0.1, 250, 30_000, 800, 1e-6)
            .withUnit(ProtectedUnit.USER, 4);
    EpsilonBracket run = new EpsilonBracket(1, 1.1, 1.2);
    Statement statement =
        new Statement(
            "visits", "base", spec, 800, Optional.empty(), run, false, Set.of(), account(run));
    assertTrue(statement.text().contains("one person being replaced by another"));
    assertTrue(statement.text().contains("at most 4 records each"));
    assertFalse(statement.text().contains("several records"));
  }

  /**
   * A person with at most one record is a person; the number alone would call that a record. The
   * unit comes from the mechanism and from nowhere else.
   */
  @Test
  void aPersonWithOneRecordIsAPerson() {
    MechanismSpec person = spec().withUnit(ProtectedUnit.USER, 1);
    String text = statement(person, false, Set.of()).text();
    assertTrue(text.contains("for one person being in the data or not"), text);
    assertTrue(text.contains("Unit of protection: a person, with at most 1 record.\n"), text);
    assertFalse(text.contains("several records"), text);
    assertEquals("user", statement(person, false, Set.of()).content().get("unit"));
    String record = statement(spec(), false, Set.of()).text();
    assertFalse(record.contains("for one person"), record);
    assertTrue(record.contains("Unit of protection: a record.\n"), record);
    assertEquals("record", statement(spec(), false, Set.of()).content().get("unit"));
  }

  @Test
  void refusesATotalBelowTheRun() {
    EpsilonBracket run = new EpsilonBracket(2, 2.1, 2.2);
    EpsilonBracket total = new EpsilonBracket(1, 1.1, 1.2);
    assertThrows(
        IllegalArgumentException.class,
        () ->
            new Statement(
                "visits",
                "base",
                spec(),
                8,
                Optional.empty(),
                run,
                false,
                Set.of(),
                account(total)));
  }

  @Test
  void contentIsPlainJson() throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    for (boolean insecure : new boolean[] {false, true}) {
      Statement statement = statement(spec(), insecure, Set.of(Waiver.SIZE_IS_PUBLIC));
      JsonNode json = mapper.readTree(mapper.writeValueAsString(statement.content()));
      assertEquals("add-remove", json.get("relation").asText());
      assertEquals("record", json.get("unit").asText());
      assertEquals(1.2e-5, json.get("delta").asDouble());
      assertEquals("153722867280912930", json.get("samplingThreshold").asText());
      assertEquals(31, json.size());
    }
  }
}
