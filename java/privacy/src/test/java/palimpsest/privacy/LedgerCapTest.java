package palimpsest.privacy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
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
      run.end(true);
      assertEquals(whole, ledger.spent(1e-6).upper(), 1e-9);
      long before = ledger.head().count();
      assertThrows(PrivacyBudgetException.class, () -> ledger.startRun(spec(100), second));
      assertThrows(
          PrivacyBudgetException.class,
          () -> ledger.release("labels", new PrivacyEvent.Gaussian(0.5, 1), second));
      assertEquals(before, ledger.head().count(), "a refusal is not a payment");
      ledger.release("labels", new PrivacyEvent.Gaussian(1000, 1), second);
      assertTrue(ledger.spent(1e-6).upper() > whole);
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

  /** What a run has planned counts against the cap before it is spent. */
  @Test
  void aReleaseDuringARunLeavesRoomForTheRun() {
    try (Ledger ledger = create();
        SecretKey key = SecretKey.fromOperatingSystem()) {
      double whole = Accountant.of(spec(100)).epsilon(1e-6).upper();
      ledger.setCap(whole * 1.001, 1e-6);
      Ledger.Run run = ledger.startRun(spec(100), key);
      PrivacyEvent labels = new PrivacyEvent.Gaussian(20, 1);
      assertThrows(PrivacyBudgetException.class, () -> ledger.release("labels", labels, key));
      run.step(0);
      assertThrows(PrivacyBudgetException.class, () -> ledger.release("labels", labels, key));
      run.end(false);
      ledger.release("labels", labels, key);
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
              run.start().spec(),
              run.steps(),
              spent,
              ledger.spent(1e-6),
              run.start().insecure(),
              Set.of(),
              ledger.head());
      assertEquals(2, statement.stepsPaid());
      assertEquals(spent, statement.total());
      assertEquals(ledger.head(), statement.head());
      assertEquals("visits", statement.dataSet());
    }
  }
}
