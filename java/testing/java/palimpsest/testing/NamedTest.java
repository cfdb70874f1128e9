package palimpsest.testing;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.platform.engine.FilterResult;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.PostDiscoveryFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs one test method, with all of its parameters, in a process: the exit code tells what became
 * of it. A mutation run starts hundreds of these, where a build tool would take most of the time.
 */
public final class NamedTest {
  /**
   * Exit codes: every case passed; one failed; none ran, or all were skipped; the class failed as
   * such, or does not fit the classes it uses, which tells nothing of a fault in them.
   */
  public static final int PASSED = 0;

  public static final int FAILED = 10;
  public static final int NOT_RUN = 11;
  public static final int BROKEN = 12;

  private NamedTest() {}

  /** Arguments: the class, with its package, and the method. */
  public static void main(String[] arguments) {
    System.exit(run(arguments[0], arguments[1]));
  }

  /** The exit code for a method of a class. */
  static int run(String type, String method) {
    PostDiscoveryFilter named =
        test ->
            FilterResult.includedIf(
                test.getSource()
                    .filter(MethodSource.class::isInstance)
                    .map(source -> ((MethodSource) source).getMethodName().equals(method))
                    .orElse(true));
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(selectClass(type))
            .filters(named)
            .build();
    Count count = new Count();
    LauncherFactory.create().execute(request, count);
    if (count.broken.get() > 0) {
      return BROKEN;
    }
    return count.failed.get() > 0 ? FAILED : count.passed.get() > 0 ? PASSED : NOT_RUN;
  }

  private static final class Count implements TestExecutionListener {
    private final AtomicInteger passed = new AtomicInteger();
    private final AtomicInteger failed = new AtomicInteger();
    private final AtomicInteger broken = new AtomicInteger();

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      switch (result.getStatus()) {
        case SUCCESSFUL -> passed.addAndGet(test.isTest() ? 1 : 0);
        case FAILED -> {
          boolean fits = !(result.getThrowable().orElse(null) instanceof LinkageError);
          (test.isTest() && fits ? failed : broken).incrementAndGet();
          result.getThrowable().ifPresent(Throwable::printStackTrace);
        }
        case ABORTED -> {}
      }
    }
  }
}
