package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The ledger priced by the accountant. */
class LedgerCapTest {
  @TempDir Path folder;

  @BeforeEach
  void requireAccountant() {
    try {
      Accountant.of(spec(1)).epsilon(1e-6);
    } catch (UnsupportedOperationException e) {
      Assumptions.abort("the accountant cannot price a run");
    }
  }

  private Ledger create() {
    return Ledger.create(
        folder.resolve("state"), "visits", ProtectedUnit.RECORD, NeighbouringRelation.ADD_REMOVE);
  }

  private static MechanismSpec spec(int steps) {
    return MechanismSpec.of(NeighbouringRelation.ADD_REMOVE, 1.5, 0.1, 100, 10_000, steps, 1e-6);
  }

  @Test
  void refusesARunThatWouldPassTheCap() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem();
        SecretKey second = SecretKey.fromOperatingSystem()) {
      double whole = Accountant.of(spec(100)).epsilon(1e-6).upper();
      ledger.setCap(whole * 1.1, 1e-6);
      assertEquals(0, ledger.spent(1e-6).upper());
      Ledger.Run run = ledger.startRun(spec(100), key);
      for (int step = 0; step < 100; step++) {
        run.step(step);
      }
      run.end();
      assertEquals(whole, ledger.spent(1e-6).upper(), 1e-9);
      long before = ledger.head().count();
      assertThrows(PrivacyBudgetException.class, () -> ledger.startRun(spec(100), second));
      assertThrows(
          PrivacyBudgetException.class,
          () ->
              ledger.startRun(
                  RunTerms.of(spec(1)), List.of(new PrivacyEvent.Gaussian(0.5, 1)), second));
      assertEquals(before, ledger.head().count(), "a refusal is not a payment");
      ledger.startRun(RunTerms.of(spec(1)), List.of(new PrivacyEvent.Gaussian(1000, 1)), second);
    }
  }

  /** An insecure key makes the account's epsilon infinite, for good. */
  @Test
  void insecureKeysMakeTheAccountNonPrivate() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.insecureDeterministic(3)) {
      Ledger.Run run = ledger.startRun(spec(5), key);
      assertEquals(0, ledger.spent(1e-6).upper());
      run.step(0);
      assertEquals(Double.POSITIVE_INFINITY, ledger.spent(1e-6).upper());
    }
  }

  @Test
  void aCapRefusesAnInsecureKey() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.insecureDeterministic(3)) {
      ledger.setCap(1e6, 1e-6);
      assertThrows(PrivacyBudgetException.class, () -> ledger.startRun(spec(5), key));
    }
  }

  /** What a run will release counts against the cap with its steps, and is paid for once. */
  @Test
  void aRunReleasesWhatItWasStartedWithAndPaysForIt() {
    PrivacyEvent labels = new PrivacyEvent.Gaussian(20, 1);
    double steps = Accountant.of(spec(100)).epsilon(1e-6).upper();
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      ledger.setCap(steps * 1.001, 1e-6);
      assertThrows(
          PrivacyBudgetException.class,
          () -> ledger.startRun(RunTerms.of(spec(100)), List.of(labels), key));
      Ledger.Run run = ledger.startRun(RunTerms.of(spec(50)), List.of(labels), key);
      assertEquals(0, ledger.spent(1e-6).upper());
      run.release("labels", labels);
      double alone =
          Accountant.of(NeighbouringRelation.ADD_REMOVE, List.of(labels)).epsilon(1e-6).upper();
      assertEquals(alone, ledger.spent(1e-6).upper());
      long before = ledger.head().count();
      assertThrows(PrivacyBudgetException.class, () -> run.release("labels", labels));
      assertThrows(
          PrivacyBudgetException.class,
          () -> run.release("labels", new PrivacyEvent.Gaussian(30, 1)));
      assertEquals(before, ledger.head().count());
      run.end();
      assertThrows(LedgerException.class, () -> run.release("labels", labels));
    }
  }

  /** Noise that others know hides no count. */
  @Test
  void aReleaseUnderAnInsecureKeyHasNoEpsilon() {
    PrivacyEvent labels = new PrivacyEvent.Gaussian(20, 1);
    try (Ledger ledger = create();
        SecretKey key = SecretKey.insecureDeterministic(3)) {
      ledger.startRun(RunTerms.of(spec(5)), List.of(labels), key).release("labels", labels);
      assertEquals(Double.POSITIVE_INFINITY, ledger.spent(1e-6).upper());
    }
  }

  @Test
  void aStatementComesFromTheLedger() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      Ledger.Run run = ledger.startRun(spec(3), key);
      run.step(0);
      run.step(1);
      EpsilonBracket spent = ledger.spent(1e-6);
      Statement statement =
          new Statement(
              ledger.genesis().dataSet(),
              "base",
              run.start().spec(),
              run.steps(),
              Optional.empty(),
              spent,
              run.start().insecure(),
              Set.of(),
              ledger.account(1e-6));
      assertEquals(2, statement.stepsPaid());
      assertEquals(spent, statement.account().total());
      assertEquals(ledger.head(), statement.account().head());
      assertEquals("visits", statement.dataSet());
    }
  }
}
