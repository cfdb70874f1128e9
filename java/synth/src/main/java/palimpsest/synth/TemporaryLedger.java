package palimpsest.synth;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import palimpsest.engine.weights.AtomicFiles;
import palimpsest.privacy.Ledger;
import palimpsest.privacy.MechanismSpec;
import palimpsest.privacy.PrivacyEvent;
import palimpsest.privacy.RunTerms;
import palimpsest.privacy.SecretKey;

/**
 * The ledger of an audit, which releases nothing: its payments are nobody's. It lies in a folder of
 * its own, open to its owner alone, which goes when this is closed or when the process is asked to
 * end before that.
 */
public final class TemporaryLedger implements AutoCloseable {
  private final Path folder;
  private final Thread removal;
  private final Ledger ledger;
  private final MechanismSpec mechanism;

  /** An account of the mechanism's unit and relation, in a new folder under {@code parent}. */
  public TemporaryLedger(Path parent, MechanismSpec mechanism) {
    this.mechanism = mechanism;
    try {
      folder = Files.createTempDirectory(parent, "palimpsest-audit");
    } catch (IOException e) {
      throw new UncheckedIOException("audit: no temporary folder can be made", e);
    }
    removal = new Thread(() -> AtomicFiles.deleteTree(folder));
    Runtime.getRuntime().addShutdownHook(removal);
    try {
      ledger = Ledger.create(folder, "audit", mechanism.unit(), mechanism.relation());
    } catch (RuntimeException e) {
      remove();
      throw e;
    }
  }

  /** Where temporary folders of this process belong. */
  public static Path usualParent() {
    return Path.of(System.getProperty("java.io.tmpdir"));
  }

  /**
   * @param releases what the run is to release besides its updates
   */
  public Ledger.Run startRun(List<PrivacyEvent> releases, SecretKey key) {
    return ledger.startRun(RunTerms.of(mechanism), releases, key);
  }

  @Override
  public void close() {
    try {
      ledger.close();
    } finally {
      remove();
    }
  }

  private void remove() {
    AtomicFiles.deleteTree(folder);
    try {
      Runtime.getRuntime().removeShutdownHook(removal);
    } catch (IllegalStateException _) {
      // The process is ending, and the hook finds nothing left.
    }
  }
}
